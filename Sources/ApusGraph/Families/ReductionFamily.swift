extension OperatorRegistry {
  static let reduction: [OperatorSchema] = [
    .argMax, .argMin, .cumProd, .cumSum, .hardmax, .logSoftmax, .reduceL1, .reduceL2, .reduceLogSum, .reduceLogSumExp,
    .reduceMax, .reduceMean, .reduceMin, .reduceProd, .reduceSum, .reduceSumSquare, .softmax, .topK,
  ]
}
