"""What can go wrong, in the domain's words. Nothing here knows of HTTP: `app.api.http.problems` gives each error a status."""


class AppError(Exception):
    """The request could not be carried out"""

    def __init__(self, **facts):
        self.facts = facts
        super().__init__((self.__doc__ or "").strip().format(**facts))


class NotFound(AppError):
    """{kind} not found"""

    def __init__(self, kind):
        super().__init__(kind=kind)


class NotRegistered(NotFound):
    """{kind} not found: this client's blocks are not registered. Run `mintaka blocks register --python` with its Python"""


class Conflict(AppError):
    """{reason}"""

    def __init__(self, reason):
        super().__init__(reason=reason)


class InvalidField(AppError):
    """{field}: {reason}"""

    def __init__(self, field, reason, kind="value_error"):
        super().__init__(field=field, reason=reason)
        self.field, self.reason, self.kind = field, reason, kind
        self.loc = tuple(step for step in field.split(".") if step)


class InvalidSchedule(InvalidField):
    """{field}: {reason}"""

    def __init__(self, field, reason):
        super().__init__(field, reason, kind="value_error.schedule")


class InvalidKey(AppError):
    """An API key is needed: Authorization: Bearer KEY. Whoever runs the server makes one with `mintaka keys create`"""


class ScopeMissing(AppError):
    """The key {key} lacks the scope {scopes}"""

    def __init__(self, key, scopes):
        super().__init__(key=key, scopes=" or ".join(scopes))


class Fenced(AppError):
    """The key {key} has tags: it reaches deployments, runs, logs and work queues that bear them, and nothing else"""


class TooManyFailures(AppError):
    """Too many wrong API keys came from this address. Try again in {seconds} s"""

    def __init__(self, seconds):
        super().__init__(seconds=seconds)
        self.seconds = seconds


class Unavailable(AppError):
    """Try again later: {reason}"""

    def __init__(self, reason):
        super().__init__(reason=reason)


class QueryTooSlow(Unavailable):
    """The database did not find this within {reason}. Ask for less: one deployment, flow or state, a span of time, or a smaller offset"""


class NotReady(AppError):
    """{reason}"""

    def __init__(self, reason):
        super().__init__(reason=reason)


class NoKey(AppError):
    """{reason}"""

    def __init__(self, reason):
        super().__init__(reason=reason)
