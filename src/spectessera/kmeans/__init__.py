"""k-means and silhouette on tensors, and the choice of k (IKMeans).

The clustering of arXiv 2401.17695, section 2. `metric`, `points`, `rule` and `settings` are open to
other rooms; the other modules are reached through the names here.
"""

from typing import TYPE_CHECKING

from spectessera._util.doors import door

if TYPE_CHECKING:
    from ._choose import Choice, Partition, choose_k, k_means
    from ._seeding import assign, seed_centers
    from ._silhouette import half_tiles, silhouette
    from ._silhouette_estimate import Estimate, silhouette_estimate
    from ._silhouette_image import ImageSilhouette, PairProgress, silhouette_image
    from ._stability import STABLE_FROM, adjusted_rand
    from .settings import EXACT_POINTS, Clusters

__all__ = [
    "EXACT_POINTS",
    "STABLE_FROM",
    "Choice",
    "Clusters",
    "Estimate",
    "ImageSilhouette",
    "PairProgress",
    "Partition",
    "adjusted_rand",
    "assign",
    "choose_k",
    "half_tiles",
    "k_means",
    "seed_centers",
    "silhouette",
    "silhouette_estimate",
    "silhouette_image",
]

__getattr__, __dir__ = door(
    __name__,
    {
        "Choice": "_choose",
        "Clusters": "settings",
        "EXACT_POINTS": "settings",
        "Estimate": "_silhouette_estimate",
        "ImageSilhouette": "_silhouette_image",
        "PairProgress": "_silhouette_image",
        "Partition": "_choose",
        "STABLE_FROM": "_stability",
        "adjusted_rand": "_stability",
        "assign": "_seeding",
        "choose_k": "_choose",
        "half_tiles": "_silhouette",
        "k_means": "_choose",
        "seed_centers": "_seeding",
        "silhouette": "_silhouette",
        "silhouette_estimate": "_silhouette_estimate",
        "silhouette_image": "_silhouette_image",
    },
)
