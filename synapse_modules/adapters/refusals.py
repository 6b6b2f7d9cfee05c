"""What a client is told that was refused: status, error code, and one line in German and English."""

from __future__ import annotations

from synapse.api.errors import Codes, SynapseError

from messenger_core.catalogue import Catalogue
from synapse_modules.rules.reach import Refusal
from synapse_modules.rules.room_form import FormFault

# Which of Matrix's own codes says so would make clients ask again by themselves (docs/decisions/0097).
TRY_LATER = "DE.HEK_TRY_LATER"


class Refusals:
    """Makes Synapse's errors of refusals; the error code is the contract, the text is for people."""

    def __init__(self, texts: Catalogue) -> None:
        self._texts = texts

    def error(self, refusal: Refusal | FormFault) -> SynapseError:
        """The error to be raised."""
        bad_request = isinstance(refusal, FormFault) or refusal in {Refusal.ONE_INVITEE, Refusal.NOT_ONE_EMOJI}
        code: str
        match refusal:
            case Refusal.TRY_LATER | Refusal.NO_ANSWER_FROM_THERE:
                code = TRY_LATER
            # gemSpec_TI-M_Basis, A_26227 for reactions.
            case FormFault.NOT_READABLE | Refusal.NOT_ONE_EMOJI:
                code = Codes.BAD_JSON
            case FormFault.WRONG_VERSION:
                code = Codes.UNSUPPORTED_ROOM_VERSION
            case _:
                code = Codes.FORBIDDEN
        return SynapseError(400 if bad_request else 403, self._texts.line(f"room-{refusal.value}"), code)


def no_common_room() -> SynapseError:
    """What another server is told of somebody who is not there for it, for whatever reason."""
    return SynapseError(403, "No common room", Codes.FORBIDDEN)
