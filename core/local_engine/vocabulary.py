"""What the local engine knows of English: words that say little, and words that say the same.

All as `words.Token.raw` has them: in lower case, without apostrophes.
"""


def _words(lines: str) -> frozenset[str]:
    return frozenset(lines.split())


# Words without a topic: never indexed, never searched.
STOP_WORDS = _words(
    """
    a about above across after again against aka all along also am among an and another any
    anybody anyone anything are arent as at b be because been before being below between both
    but by c can cannot cant could couldnt d did didnt do does doesnt doing done dont during
    each eg either else etc even ever every everybody everyone everything few for from further
    g had has hasnt have havent having he hello her here hers hey hi him his how however hows i
    id ie if ill im in into is isnt it its itself ive just l least less lets like m many may
    maybe me might more most much must my n neither no nor not nothing now o of off ok okay on
    once one only onto or other others our ours out over own p per please pls plz quite r
    rather really regards s same shall she should shouldnt so some somebody somehow someone
    something sometimes soon still such t than thank thanks that thats the their theirs them
    then there theres these they theyre thing things this those though through thus thx to too
    u under until up upon us v very via w want wants was wasnt we well were werent what
    whatever whats when whenever where wheres whether which while who whom whos whose why will
    with within without wont would wouldnt yeah yes yet you your youre yours
    """
)

# Words that people wrap a question in. A page may be about them, so they are searched, but a
# passage without them can be the answer all the same.
EVERYDAY_WORDS = _words(
    """
    able accidentally actually advice allow allowed allows already although always anyhow
    anyway anywhere apparently appear appears around ask asked asking asks available away back
    bad basic basically become becomes begin behave best better big bit boss bunch came case
    cases cause causes certain chance change changed clear clearly come
    comes coming common completely confused confusing correct correctly couple
    currently day days deal decide describe despite diff difference different differently
    difficult directly doc docs documentation documented earlier easiest easily easy enough
    entire especially exact exactly example examples exist exists expect expected explain
    explained fact far fast find finding finds fine first five fix folks following forget
    forgot found four friend front full fully general get gets getting give given gives giving
    go goes going gone gonna good got gotta great guess guide guy guys half happen happened
    happening happens hard help helpful helps hold hope hundred idea ideal ideally immediately
    important impossible including info information instead issue issues keep keeps kind kinda
    knew know known knows laptop large last lastly later latest learn leave let long longer
    look looked looking looks lot lots made main make makes making matter mean meaning means
    meant mention mentioned minute minutes moment morning multiple myself near necessary need
    needed needs never new next nice night normal normally obviously often old ones order ought
    outside particular people perhaps person place point possibility possible possibly practice
    prefer preferred pretty previous previously probably problem problems proper properly
    purpose put puts putting question questions quick quickly read reading reason reasons
    recently recommend recommended regarding related require required requires right say saying
    says see seeing seem seems seen self sense several show showed showing shown shows simple
    simply since single situation small solution solve somewhere sort stay step steps stuff
    suddenly suggest suggestion support supported supports supposed sure take taken takes
    taking talk tell tells ten think thinking third thought three time times tip tips today
    together told tomorrow tonight took totally tried tries trouble true try trying tutorial
    twice two type typical typically unable understand unfortunately use used useful uses using
    usual usually various wanna wanted wanting way ways weird whoever whole wonder wondering
    work worked working works worth wrong yesterday yourself
    """
)

# Words that point back at what was said before.
BACK_REFERENCES = _words(
    "again else instead it its one ones that thats their theirs them these they this those"
)

# How a question begins that goes on from the one before: its first word, or two.
CONTINUATIONS = _words(
    """
    and but or so also then otherwise except what+about how+about what+if why+not how+so
    how+come or+else ok+and okay+and ok+but okay+but
    """
)

# What people say to be polite. A message of nothing else asks nothing, even amid a talk.
SMALL_TALK = _words(
    """
    a afternoon ah all alright and any appreciate appreciated are awesome bot bye cheers cool
    cu day do doing else evening everybody everyone fine folks for gm gn good goodbye got great
    greetings guys haha hello help helped hey hi hiya hm hmm how howdy human i im is it its
    later lol lot lovely me morning much my nice night no nope np oh ok okay perfect please
    real really robot see so sorry sup super sure team test testing thank thanks thankyou that
    thats the there this thx to today ty u up very was welcome whats who worked works wow yeah
    yep yes yo you your
    """
)

# One group a line: words that stand for one another where software is documented. A word may be in
# several groups; two that only share a third one do not stand for each other.
ALIKE = tuple(
    tuple(line.split())
    for line in """
    delete remove erase uninstall
    delete wipe clear purge reset clean
    remove detach drop discard eliminate
    create add make new
    create generate build
    login signin logon log sign
    logout signout
    signup register enrol
    password passphrase
    auth authentication authenticate credentials login
    authorization permission access rights role privilege
    config configuration configure settings setup customise
    option setting preference
    install setup installation
    repo repository
    env environment
    var variable
    dir directory folder
    error failure exception fail crash
    broken error fail failing troubleshoot
    price pricing cost billing pay payment
    money revenue payment
    discount pricing coupon
    charity nonprofit
    invoice receipt bill
    plan tier subscription package
    start launch run begin
    run execute invoke
    stop halt quit terminate shutdown kill
    stop prevent avoid
    block prevent exclude reject deny
    ignore exclude skip omit
    hide exclude mask
    update upgrade
    bump upgrade increment
    outdated stale old
    downgrade rollback revert
    undo revert rollback restore
    restore recover recovery
    lost recover recovery
    app application
    admin administrator
    org organization
    db database
    postgres postgresql
    k8s kubernetes
    mac macos osx
    js javascript
    ts typescript
    py python
    limit quota maximum max
    size length
    min minimum
    performance speed slow fast
    slow delay latency performance
    memory ram
    enable activate allow
    disable deactivate off
    mandatory require enforce force
    show display view
    list show
    see view show visible
    public visible visibility
    private secret hidden restrict
    secret token key credentials
    export download
    import load
    upload attach attachment
    schedule cron recurring
    weekend schedule
    wait delay
    interval frequency period
    notification alert notify
    warn warning alert
    notify inform email
    custom customise
    encryption encrypt
    cert certificate ssl tls https
    cmd command
    arg argument param parameter flag option
    attribute property prop field
    dimension property
    connection connect
    connect integrate integration link
    picture image photo
    logo brand branding icon
    mail email
    msg message
    num number
    prev previous
    ref reference
    spec specification
    doc documentation
    sync synchronise
    timezone tz
    debug troubleshoot
    plugin extension addon
    member user teammate
    colleague coworker teammate member user
    guest collaborator
    maintainer owner
    customer client user
    invite add
    region location
    retention keep
    backup snapshot
    copy duplicate clone
    move migrate transfer migration
    rename change
    change edit modify update
    replace substitute
    merge combine
    group bundle batch
    split separate divide
    pin lock freeze
    shortcut hotkey
    shell terminal console
    cli command
    website site
    webpage page
    domain hostname
    url link address
    redirect forward
    proxy forward
    host server
    hosting deploy
    production deploy deployment
    publish release deploy
    release version
    tag label
    bug issue
    ticket issue
    pr pull
    dependency package library module
    lockfile lock
    tarball archive
    compress gzip zip
    check verify validate validation
    valid validate
    test testing
    search find query
    filter query
    browse explore
    compare comparison diff
    vs versus comparison
    difference comparison
    track tracking measure
    stats statistics analytics metrics
    metric measurement
    number count metric
    count track
    graph chart
    dashboard overview
    summary report
    report log
    trace tracing
    monitor monitoring watch
    adblocker blocker
    traffic visitor visit
    bot crawler spam
    background async asynchronous queue job task
    job task
    worker background
    async asynchronous await
    stream streaming
    cache caching
    template theme
    appearance theme color
    font typography
    dark theme
    button click
    form submission
    language locale translation
    translate translation
    json object
    struct structure
    function method
    own custom
    personal own
    duplicate dedupe
    share sharing
    embed iframe
    spreadsheet csv excel
    android ios mobile
    phone mobile
    smartphone phone mobile
    sso saml
    twofactor 2fa mfa otp
    multifactor mfa 2fa
    """.strip().splitlines()
)

# One a line: what people say in several words, and words that documentation has for it.
PHRASES = {
    tuple(said.split()): tuple(meant.split())
    for said, meant in (
        line.split(":")
        for line in """
        get rid of: remove delete
        take down: unpublish remove delete
        take out: remove
        kick out: remove
        kick off: start trigger
        turn on: enable activate
        switch on: enable activate
        turn off: disable deactivate
        switch off: disable deactivate
        opt out: disable exclude
        sign in: login
        sign on: login
        log in: login
        sign up: register signup
        log out: logout
        sign out: logout
        hand over: transfer
        pass on: transfer forward
        give away: transfer
        set up: setup install configure
        look up: search find
        look like: appearance
        find out: check
        shut down: shutdown stop
        slow down: throttle limit
        speed up: performance
        roll back: rollback revert
        go back: revert rollback restore
        back up: backup
        bring back: restore
        start over: reset
        run out: limit
        too big: size limit
        too large: size limit
        too many: limit reduce
        how big: size
        how large: size
        how much: price cost
        how many: limit number
        how long: duration time
        how often: frequency interval schedule
        how fast: speed performance
        two factor: 2fa mfa
        two step: 2fa mfa
        multi factor: 2fa mfa
        open source: license
        pull request: pr
        pull requests: pr
        merge request: mr
        single sign: sso
        by hand: manual manually
        host it myself: self hosting hosted
        host it ourselves: self hosting hosted
        self host: hosted hosting
        behind a proxy: proxy
        stop paying: cancel subscription
        give up: cancel
        keep out: block exclude
        let in: allow
        get in: login access
        cant get into: login access recover
        locked out: login access recover
        free up: clean
        fill in: form
        fall back: fallback
        put together: combine merge
        break down: breakdown segment
        drop off: dropoff funnel abandon
        point to: dns redirect
        plug in: plugin
        add on: addon extension
        command line: cli terminal
    """.strip().splitlines()
    )
}

# The second word of a phrase that others may come before: "turn it off".
PARTICLES = _words("back down in off on out over up")
