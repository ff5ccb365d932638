# Sessions of secdl: secure, sast, deps, images, threatmodel, fuzz, gate.
from secdl.sessions import *  # noqa: F403
