"""Reads ``linphonerc``, the configuration file of liblinphone (floor 3).

`load` reads a file, `parse` its text; both return `Imported`: the accounts, the credentials, and the settings of the
core that have an equivalent here. Nothing is dropped in silence: what has no equivalent is kept in `Imported.unknown`,
and what cannot be taken as it stands is told in `Imported.problems`.

Some things differ from liblinphone under the same settings. The Request-URI of a REGISTER is that of ``reg_proxy``
(liblinphone sends it there too, but writes the domain of the identity into it). ``reg_route`` is used for REGISTER. The
display name of an identity is not sent. A local port and a refresh window that the file does not name are those of this
package, not those of liblinphone.
"""

from __future__ import annotations

from aiosipreg.linphonerc.file import Entry
from aiosipreg.linphonerc.imported import Imported, load, parse

__all__ = ["Entry", "Imported", "load", "parse"]
