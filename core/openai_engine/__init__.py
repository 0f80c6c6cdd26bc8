"""The engine and the index at OpenAI, and at servers that speak its protocol.

    client        one connection pool, with our timeouts and without hidden retries
    errors        what the SDK raises, in the words of core
    outage        what happened to a server that gave no usable reply
    replies       replies that are read past the SDK
    engine        runs: background responses in conversations
    transcript    the items of a conversation: markers of questions, and open calls
    answers       what a run says, as an answer with citations
    attached      a question with its files, as the model gets it
    uploads       those files at OpenAI, and deleting them
    file_troubles what it says of files that it cannot read
    erasing       deleting conversations and responses
    instructions  what the model is told
    vector_store  which vector store the documents are in
    index         documents in that vector store
    attachment    uploaded files on their way into it
    documents     a page as a file for the index
    patience      trying again what may be done twice
    parallel      doing the same to many things, some at once
    checkup       what `docent doctor` finds out

Nothing outside this package imports the SDK. Nothing is imported here either: instructions can be
read without loading it, which takes most of a second.
"""
