"""Models of scikit-learn, trained on made-up data, as skl2onnx exports them, through modelconv and beside ONNX Runtime.

Classifiers come in both forms that skl2onnx has: with ZipMap, its default (Apus gives the columns in place of maps), and without.
Numbers agree within 1e-4 of the output's range, labels are equal. Exit code 1 where Apus differs or refuses.
"""

import argparse
import collections
import os
import sys
import tempfile
import warnings
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
from onnx import numpy_helper
from skl2onnx import to_onnx
from sklearn import (
    calibration,
    cluster,
    cross_decomposition,
    decomposition,
    discriminant_analysis,
    ensemble,
    feature_selection,
    gaussian_process,
    impute,
    linear_model,
    naive_bayes,
    neighbors,
    neural_network,
    pipeline,
    preprocessing,
    svm,
    tree,
)
from sklearn.datasets import make_classification, make_regression

from program import Program

TOLERANCE = 1e-4
ROWS = 20


def classifiers():
    yield linear_model.LogisticRegression()
    yield linear_model.SGDClassifier(loss="log_loss", random_state=0)
    yield linear_model.RidgeClassifier()
    yield linear_model.Perceptron()
    yield tree.DecisionTreeClassifier(max_depth=5)
    yield ensemble.RandomForestClassifier(10, random_state=0)
    yield ensemble.ExtraTreesClassifier(10, random_state=0)
    yield ensemble.GradientBoostingClassifier(n_estimators=10, random_state=0)
    yield ensemble.AdaBoostClassifier(n_estimators=5, random_state=0)
    yield ensemble.BaggingClassifier(n_estimators=3, random_state=0)
    yield ensemble.StackingClassifier([("a", linear_model.LogisticRegression()), ("b", tree.DecisionTreeClassifier(max_depth=4))])
    yield svm.SVC(probability=True, random_state=0)
    yield svm.SVC(kernel="linear")
    yield svm.LinearSVC()
    yield svm.NuSVC(nu=0.2)
    yield neighbors.KNeighborsClassifier(3)
    yield naive_bayes.GaussianNB()
    yield naive_bayes.BernoulliNB()
    yield neural_network.MLPClassifier((10,), max_iter=20, random_state=0)
    yield discriminant_analysis.LinearDiscriminantAnalysis()
    yield calibration.CalibratedClassifierCV(linear_model.LogisticRegression())
    yield pipeline.make_pipeline(preprocessing.StandardScaler(), decomposition.PCA(4), linear_model.LogisticRegression())
    yield pipeline.make_pipeline(
        preprocessing.MinMaxScaler(), feature_selection.SelectKBest(k=4), ensemble.RandomForestClassifier(5, random_state=0)
    )


def regressors():
    yield linear_model.LinearRegression()
    yield linear_model.Ridge()
    yield linear_model.Lasso(alpha=0.01)
    yield linear_model.ElasticNet(alpha=0.01)
    yield linear_model.BayesianRidge()
    yield linear_model.HuberRegressor()
    yield tree.DecisionTreeRegressor(max_depth=5)
    yield ensemble.RandomForestRegressor(10, random_state=0)
    yield ensemble.ExtraTreesRegressor(5, random_state=0)
    yield ensemble.GradientBoostingRegressor(n_estimators=10, random_state=0)
    yield ensemble.AdaBoostRegressor(n_estimators=5, random_state=0)
    yield ensemble.StackingRegressor([("a", linear_model.Ridge()), ("b", tree.DecisionTreeRegressor(max_depth=3))])
    yield svm.SVR()
    yield svm.LinearSVR()
    yield neighbors.KNeighborsRegressor(3)
    yield neural_network.MLPRegressor(hidden_layer_sizes=(10,), max_iter=20, random_state=0)
    yield gaussian_process.GaussianProcessRegressor()
    yield cross_decomposition.PLSRegression(2)
    yield pipeline.make_pipeline(preprocessing.PolynomialFeatures(2), linear_model.Ridge())


def transformers():
    yield preprocessing.StandardScaler()
    yield preprocessing.MinMaxScaler()
    yield preprocessing.MaxAbsScaler()
    yield preprocessing.RobustScaler()
    yield preprocessing.Normalizer()
    yield preprocessing.Binarizer()
    yield preprocessing.PolynomialFeatures(2)
    yield preprocessing.PowerTransformer()
    yield preprocessing.QuantileTransformer(n_quantiles=20)
    yield preprocessing.KBinsDiscretizer(4, encode="ordinal", quantile_method="averaged_inverted_cdf")
    yield decomposition.PCA(3)
    yield decomposition.IncrementalPCA(3)
    yield decomposition.KernelPCA(3)
    yield decomposition.TruncatedSVD(3, random_state=0)
    yield impute.SimpleImputer()
    yield impute.KNNImputer()
    yield cluster.KMeans(4, random_state=0)
    yield neighbors.LocalOutlierFactor(novelty=True)


def named(model):
    steps = [step for _, step in model.steps] if hasattr(model, "steps") else [model]
    return " + ".join(type(step).__name__ for step in steps)


def exports():
    """(name, ONNX model, rows)"""
    x, y = make_classification(200, 8, n_informative=5, n_classes=3, random_state=0)
    x = x.astype(np.float32)
    words = np.array(["cat", "dog", "eel"])[y]
    for model in classifiers():
        yield named(model), to_onnx(model.fit(x, y), x[:1]), x
        yield named(model) + ", words", to_onnx(model.fit(x, words), x[:1]), x
        if not isinstance(model, svm.LinearSVC):
            yield named(model) + ", no ZipMap", to_onnx(model.fit(x, y), x[:1], options={id(model): {"zipmap": False}}), x
    a, b = make_regression(200, 8, random_state=0, noise=1)
    a, b = a.astype(np.float32), (b / 50).astype(np.float32)
    for model in regressors():
        yield named(model), to_onnx(model.fit(a, b), a[:1]), a
    for model in transformers():
        yield named(model), to_onnx(model.fit(x), x[:1]), x


def difference(expected, actual):
    """What is wrong with one output; None where it agrees."""
    if isinstance(expected, list):  # maps from classes: the columns, in the order of the classes
        expected = np.array([list(row.values()) for row in expected], np.float32)
    if expected.shape != actual.shape:
        return f"shape {actual.shape}, {expected.shape} expected"
    if expected.dtype.kind != "f":
        texts = [[x.decode() if isinstance(x, bytes) else str(x) for x in array.ravel()] for array in (expected, actual)]
        return None if texts[0] == texts[1] else "labels differ"
    error = np.abs(expected - actual).max() / max(float(np.abs(expected).max()), 1e-9)
    return None if error < TOLERANCE else f"error {error:.2g} of the range"


def compared(model, rows, program, folder):
    """(result, text)"""
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(model.SerializeToString(), options)
    expected = session.run(None, {session.get_inputs()[0].name: rows})
    onnx.save(model, folder / "model.onnx")
    (folder / "input_0.pb").write_bytes(numpy_helper.from_array(rows).SerializeToString())
    result, message = program.run(str(folder / "model.onnx"), [str(folder / "input_0.pb")], str(folder), 60)
    if result != "ran":
        return result, message
    for index, want in enumerate(expected):
        tensor = onnx.TensorProto()
        tensor.ParseFromString((folder / f"output_{index}.pb").read_bytes())
        found = difference(want, numpy_helper.to_array(tensor))
        if found:
            return "differs", f"output {index}: {found}"
    return "agrees", ""


def main():
    argparse.ArgumentParser(
        prog="tools/conformance/scikit_learn", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    ).parse_args()
    warnings.simplefilter("ignore")
    program = Program(os.environ["MODELCONV"])
    counts = collections.Counter()
    with tempfile.TemporaryDirectory(prefix="apus-scikit-learn-") as folder:
        for name, model, x in exports():
            result, text = compared(model, x[:ROWS], program, Path(folder))
            counts[result] += 1
            if result != "agrees":
                print(f"{result}: {name}: {text}", flush=True)
    program.stop()
    print(f"scikit-learn: {dict(counts)}")
    return 0 if set(counts) == {"agrees"} else 1


if __name__ == "__main__":
    sys.exit(main())
