"""Property tests by the same examples each time and without deadlines: a slow machine proves nothing about the code.

`--hypothesis-profile=default` looks for new ones.
"""

from hypothesis import settings

settings.load_profile("ci")
