"""The Theta method of the package statsforecast, as a second opinion."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from eks_win_capacity.core.errors import MissingExtraError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from eks_win_capacity.forecast.learning import Learned
    from eks_win_capacity.forecast.paths import Draws


def library_paths(
    learned: Learned, draws: Draws, lengths: Sequence[int]
) -> tuple[NDArray[np.float32], list[str]]:
    """
    Run the library's Theta on each prepared series, and resample its residuals.

    It is given the history at the level of today, without outliers and with its
    season; the library finds and forecasts the season itself.

    Returns
    -------
    (ndarray, (horizon, series, paths), list of str)
        Sample paths, and the library's name of each model.
    """
    try:
        from statsforecast.models import Theta
    except ImportError as error:
        raise MissingExtraError(
            "statsforecast", extra="forecast", purpose="engine='statsforecast'"
        ) from error
    horizon, count = draws.innovation.shape
    periods = learned.level.shape[1]
    usable = [length for length in lengths if periods >= 3 * length]
    season = max(usable, default=1)
    out = np.empty((horizon, len(learned.level), count), dtype=np.float32)
    names = []
    for row in range(len(learned.level)):
        factor, term = learned.season.factor[row], learned.season.term[row]
        clean = (learned.level[row] - learned.outliers[row]) * factor + term
        model = Theta(season_length=season).fit(clean)
        mean = np.asarray(model.predict(h=horizon)["mean"], dtype=float)
        errors = clean - np.asarray(model.predict_in_sample()["fitted"], dtype=float)
        errors = errors[max(season, 3) :]
        errors = errors[np.isfinite(errors)]
        errors -= errors.mean()
        alpha = float(model.model_["par"]["alpha"])
        drawn = errors[(draws.innovation * len(errors)).astype(np.intp)]
        wander = np.zeros_like(drawn)
        wander[1:] = alpha * drawn[:-1].cumsum(axis=0)
        paths = mean[:, None] + learned.calibration[row][:, None] * (drawn + wander)
        out[:, row] = paths * learned.scale[row]
        names.append(f"statsforecast {model.model_['modeltype']}")
    return out, names
