"""An error of our own is a problem of the object that meets it, and of no other."""

import logging

from signalbox.plan.problems import Problem

_log = logging.getLogger(__name__)


def defect(kind: str, name: str, error: Exception) -> Problem:
    """The problem of an object that could not be compiled; where it happened is in the log."""
    _log.error("%s %s meets a defect", kind, name, exc_info=error)
    return Problem(
        kind=kind,
        name=name,
        reason="InternalError",
        message=f"cannot be compiled, by a defect of Signalbox ({type(error).__name__}): its log says more",
        fix="report the defect; until then change what was changed last",
    )
