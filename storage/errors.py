"""What can go wrong with the store, each error named for what the caller should do. Imports nothing of ours."""


class StoreError(Exception):
    """Base of every error the store raises; `retryable` is a fact of the class."""

    retryable = False


class Unavailable(StoreError):
    """The store cannot be reached or written now (locked, disk full, I/O error): try again later."""

    retryable = True


class NotFound(StoreError):
    """No record of that name; the message is fit for a person."""


class LeaseLost(StoreError):
    """The claim is no longer the owner's: stop, write nothing more, not even an error (OW-2)."""


class Refused(StoreError):
    """The request makes no sense in the record's state; the message says what would work (CO-2)."""


class Conflict(StoreError):
    """Another record stands in the way."""


class TargetBusy(Conflict):
    """A live apply already holds the target (OW-4); `apply_uid` names it."""

    def __init__(self, apply_uid: str, state: str) -> None:
        super().__init__(
            f"schema change already in progress for this database: {apply_uid} is {state}; "
            "wait for it, or stop or cancel it first"
            if state != "stopped"
            else f"schema change already in progress for this database: {apply_uid} is stopped and keeps "
            "the database reserved; start it or cancel it first"
        )
        self.apply_uid = apply_uid
        self.state = state


class KeyReused(Conflict):
    """The idempotency key was used before for another request."""


class LockHeld(Conflict):
    """Another owner holds the database lock."""


class NotOwner(Conflict):
    """The database lock belongs to somebody else."""


class SchemaTooNew(StoreError):
    """The store was upgraded by a newer program; this one must not touch it (AV-5)."""


class Corrupt(StoreError):
    """The store file is not a store, or is damaged; the message names the file and the remedy."""
