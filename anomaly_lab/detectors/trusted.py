"""The types that a saved model may hold: our own list, so that loading one runs no code but these classes' own."""

from __future__ import annotations

TRUSTED_TYPES: tuple[str, ...] = (
    "anomaly_lab.detectors.adaptive_sampler.AdaptiveSampler",
    "anomaly_lab.detectors.bounded.BoundedNeighbours",
    "anomaly_lab.detectors.bounded_forest.BoundedForest",
    "anomaly_lab.detectors.champion.CalibratedDetector",
    "anomaly_lab.detectors.experts.ClippedRanks",
    "anomaly_lab.detectors.experts.Committee",
    "anomaly_lab.detectors.experts.Expert",
    "anomaly_lab.detectors.gaussian_mixture.GaussianMixtureDetector",
    "anomaly_lab.detectors.gradient_boosting.GradientBoostingDetector",
    "anomaly_lab.detectors.isolation_forest.IsolationForestDetector",
    "anomaly_lab.detectors.kmeans_distance.CentreDistance",
    "anomaly_lab.detectors.kmeans_distance.KMeansDistanceDetector",
    "anomaly_lab.detectors.knn_distance.KNNDistanceDetector",
    "anomaly_lab.detectors.knn_distance.NeighbourDistance",
    "anomaly_lab.detectors.lof.LocalOutlierFactorDetector",
    "anomaly_lab.detectors.logistic_regression.LogisticRegressionDetector",
    "anomaly_lab.detectors.mahalanobis.MahalanobisDetector",
    "anomaly_lab.detectors.mahalanobis.ShrunkMahalanobis",
    "anomaly_lab.detectors.mlp.MLPDetector",
    "anomaly_lab.detectors.next_round.NextRoundDetector",
    "anomaly_lab.detectors.one_class_svm.OneClassSVMDetector",
    "anomaly_lab.detectors.random_forest.RandomForestDetector",
    "anomaly_lab.detectors.seed_notebook.SeedNotebookDetector",
    "collections.OrderedDict",
    "imblearn.combine._smote_tomek.SMOTETomek",
    "imblearn.over_sampling._random_over_sampler.RandomOverSampler",
    "imblearn.over_sampling._smote.base.SMOTE",
    "imblearn.over_sampling._smote.filter.BorderlineSMOTE",
    "imblearn.pipeline.Pipeline",
    "imblearn.under_sampling._prototype_selection._random_under_sampler.RandomUnderSampler",
    "imblearn.under_sampling._prototype_selection._tomek_links.TomekLinks",
    "lightgbm.basic.Booster",
    "lightgbm.sklearn.LGBMClassifier",
    "sklearn.neural_network._stochastic_optimizers.AdamOptimizer",
    "sklearn.tree._tree.Tree",
)
"""What built-in detectors need beyond what skops trusts by itself."""


def trusted_types(model: type) -> list[str]:
    """Return the types that a saved model of one class may hold.

    Parameters
    ----------
    model : type
        A registered model. Installing it was the act of trust: its own class and what it declares in the class
        attribute ``trusted_types`` are added to `TRUSTED_TYPES`.
    """
    declared = getattr(model, "trusted_types", ())
    return sorted({*TRUSTED_TYPES, f"{model.__module__}.{model.__qualname__}", *declared})
