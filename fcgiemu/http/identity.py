"""Who a client is: the identity that it can prove, and the user that a server takes it for.

An ``Identity`` belongs to the client: IIS learns of it only where the configuration asks. A
``User`` is what authentication has made of the request; the application finds it in AUTH_USER.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

#: How a client may answer a challenge.
SCHEMES = ("Negotiate", "NTLM", "Basic")
#: The machine that stands before a name without one, as IIS shows accounts of its own machine.
MACHINE = "DEV"


@dataclass(frozen=True, slots=True)
class Identity:
    """A Windows account of the client. ``scheme`` is one of SCHEMES; "" = the first one that the
    server offers.
    """

    name: str
    roles: tuple[str, ...] = ()
    scheme: str = ""


class User(NamedTuple):
    """The user of a request; an empty name is the anonymous user."""

    name: str = ""
    scheme: str = ""
    password: str = ""
    roles: tuple[str, ...] = ()


ANONYMOUS = User()
