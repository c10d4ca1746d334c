"""Keep libraries from importing what the course has no use for; imported first, for that effect, by its programs.

nbformat checks notebooks with jsonschema, which imports a parser of web addresses if it can, to check addresses that
notebooks do not have: most of a second to build its grammar, at each start.
"""

import sys

sys.modules.setdefault("rfc3987_syntax", None)  # type: ignore[arg-type]
