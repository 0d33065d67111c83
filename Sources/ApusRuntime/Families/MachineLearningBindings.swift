extension KernelBindings {
  static let machineLearning: [KernelBinding] = [
    .arrayFeatureExtractor, .binarizer, .featureVectorizer, .imputer, .linearClassifier, .linearRegressor, .normalizer,
    .oneHotEncoder, .scaler, .svmClassifier, .svmRegressor, .treeEnsemble, .treeEnsembleClassifier, .treeEnsembleRegressor,
  ]
  static let machineLearningHosts: [HostBinding] = [
    .labelEncoder
  ]
}
