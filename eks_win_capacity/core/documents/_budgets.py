"""How large, deep and long a text of others may be."""

from __future__ import annotations

from typing import Final

MAX_JSON_CHARS: Final = 4 * 1024**3
"""The longest JSON text that is read. [characters]

Source: this project. 100,000 pods as kubectl prints them take about a quarter.
"""

MAX_WHOLE_CHARS: Final = 256 * 1024**2
"""The longest JSON text that is held as a whole, not item by item. [characters]

Source: this project. 40,000 interfaces as the AWS CLI prints them.
"""

MAX_WHOLE_BYTES: Final = 512 * 1024**2
"""The largest file that is held as a whole, also once it is unpacked. [bytes]

Source: this project. A table of ten million nodes, or twenty captures of all instance types.
"""

MAX_HELD: Final = 2 * 1024**3
"""The most that is held of a pipe, which cannot be read twice. [bytes]

Source: this project. Twice what kubectl prints of 100,000 pods of 10 kB.
"""

MAX_ITEMS: Final = 3_000_000
"""How many items all lists of one source may have.

Source: this project. Thirty times the pods of a large cluster.
"""

MAX_ITEM_CHARS: Final = 32 * 1024**2
"""The longest single value inside a JSON list. [characters]

Source: this project. The API server stores no object above about 1.5 MiB.
"""

MAX_YAML_CHARS: Final = 16 * 1024**2
"""The longest YAML text that is read; JSON has no such need. [characters]

Source: this project. YAML reads about a hundred times slower than JSON.
"""

MAX_DEPTH: Final = 100
"""How deep lists and mappings may nest.

Source: this project. Kubernetes objects stay below 30.
"""

MAX_EXPANDED: Final = 2_000_000
"""How many values a YAML text may stand for once its aliases are followed."""


CHUNK: Final = 1024**2
"""How much of a stream is read at once. [characters]"""

GZIP: Final = b"\x1f\x8b"
"""How gzip files begin, which are unpacked within these limits."""
