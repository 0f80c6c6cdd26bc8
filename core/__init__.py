"""What Docent knows without any platform: threads, turns, runs, answers and documents.

Read `domain.py` for the words, `ports.py` for the edges, then `desk.py` (a question comes in) and
`loop.py` (it is answered). No module here imports a platform's SDK.
"""
