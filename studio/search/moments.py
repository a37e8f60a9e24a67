"""The moments of a long sound or video that a query points at, from the vectors of its windows."""

import numpy as np

from studio.library.library import Library
from studio.search.result import Aim, Moment


def moments_of(library: Library, media_id: str, aim: Aim, *, limit: int = 3) -> tuple[Moment, ...]:
    """Return the windows of a medium nearest to a query, the best first; none of what is too short to have any."""
    rows = library.store.rows(
        "SELECT start, stop, vector FROM vectors WHERE media = ? AND encoder = ? AND start IS NOT NULL ORDER BY piece",
        media_id,
        aim.encoder.id,
    )
    if not rows:
        return ()
    vectors = np.frombuffer(b"".join(bytes(row["vector"]) for row in rows), "<f2").astype(np.float32)
    cosines = vectors.reshape(len(rows), -1) @ aim.vector
    best = np.argsort(-cosines, kind="stable")[:limit]
    return tuple(Moment(rows[at]["start"], rows[at]["stop"], float(cosines[at])) for at in best)
