"""Other libraries' extractors as map sources: torchcam, grad-cam and captum."""

from camkit.adapters.library import Ask, Library
from camkit.adapters.peer import LIBRARIES, Peer, peer_named

__all__ = ["LIBRARIES", "Ask", "Library", "Peer", "peer_named"]
