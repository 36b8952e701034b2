"""What can go wrong behind a gateway; the class of an error is the decision about trying again.

GatewayError
├── TemporaryError        passes by itself: try again later
│   └── ConflictError     somebody else wrote first: read again, decide again
└── PermanentError        does not pass before a person acts; the message says what to do
    ├── AlreadyExistsError
    └── AccessDeniedError
"""


class GatewayError(Exception):
    """A request that the other side did not fulfil; the message is a sentence for people."""


class TemporaryError(GatewayError):
    """Something that passes by itself: a timeout, 429, 5xx, a broken connection."""


class ConflictError(TemporaryError):
    """The object was written by somebody else since it was read (409)."""


class PermanentError(GatewayError):
    """A request that will be refused again (400, 403, 404 of a parent, 422)."""


class AlreadyExistsError(PermanentError):
    """An object of that name exists (409 with reason AlreadyExists)."""


class AccessDeniedError(PermanentError):
    """The operator lacks a right (401, 403)."""
