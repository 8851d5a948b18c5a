"""Simulators of Talkwalker, X and Adobe, in one process of their own.

Each service has the same files; one that is missing is something that the service does not have.

| file | content |
|---|---|
| `service` | the routes, and the service's part of the control plane |
| `settings` | the switches, each one declaration |
| `errors` | the vendor's refusals |
| `requests` | how requests are read |
| `account` | who may call, and what the account remembers |
| `jobs` | exports and their life |
| `corpus` | which results exist: a function of the seed |
| `documents` | the content of a result |
| `search` | counts, and pages of results |
| `streams`, `faulty_streams` | reads that continue while results arrive, and their faults |
| `calls`, `query`, `files` | what one service has in addition: many calls, a query language, downloads |
"""
