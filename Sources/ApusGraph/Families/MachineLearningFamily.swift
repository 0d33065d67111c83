extension OperatorRegistry {
  static let machineLearning: [OperatorSchema] = [
    .arrayFeatureExtractor, .binarizer, .featureVectorizer, .imputer, .labelEncoder, .linearClassifier, .linearRegressor,
    .normalizer, .oneHotEncoder, .scaler, .svmClassifier, .svmRegressor, .treeEnsemble, .treeEnsembleClassifier,
    .treeEnsembleRegressor,
  ]
}
