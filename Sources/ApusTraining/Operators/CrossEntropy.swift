import ApusGraph

extension Operator {
  /// SoftmaxCrossEntropyLoss: scores [N, C] and a class number for each row give the mean over the rows of
  /// log(sum of e^scores) - score of the class: a scalar.
  ///
  /// With the attribute label_smoothing s the wanted distribution is 1 - s + s / C for the class and s / C for the others
  /// (Szegedy et al. 2016).
  static let softmaxCrossEntropyLoss = Operator("SoftmaxCrossEntropyLoss", 13, trainingAttributes: ["label_smoothing"]) {
    (call) throws(ApusError) in
    let scores = try call.tensor(0)
    let labels = call.integers(1) ?? []
    guard scores.rank == 2, scores.shape[0] == labels.count, scores.count > 0 else {
      throw ApusError(
        .shapeMismatch, "scores and classes do not go together", expected: "[N, C] and N classes",
        actual: "\(scores.shape) and \(labels.count) classes")
    }
    let (rows, classes) = (scores.shape[0], scores.shape[1])
    if let row = labels.firstIndex(where: { $0 < 0 || $0 >= classes }) {
      throw ApusError(
        .indexOutOfRange, "example \(row) is of a class that has no score", expected: "0 ..< \(classes)",
        actual: "\(labels[row])")
    }
    let smoothing = call.float("label_smoothing", default: 0)
    let probabilities = call.allocate(scores.count)
    let x = scores.storage.pointer
    var loss: Double = 0
    for row in 0..<rows {
      let values = x + row * classes
      let logSum = softmaxRow(values, probabilities.pointer + row * classes, classes)
      loss += Double(1 - smoothing) * Double(logSum - values[Int(labels[row])])
      if smoothing > 0 {
        var mean: Double = 0
        for c in 0..<classes { mean += Double(logSum - values[c]) }
        loss += Double(smoothing) * mean / Double(classes)
      }
    }
    call.saved = [probabilities]
    return [Output(shape: [], storage: call.allocate(1, filledWith: Float(loss / Double(rows))))]
  } backward: { call in
    guard call.wantsGradient(0), let gradient = call.outputGradients[0], let labels = call.integers(1) else { return [nil] }
    let (rows, classes) = (call.inputShape(0)[0], call.inputShape(0)[1])
    let smoothing = call.float("label_smoothing", default: 0)
    let result = call.allocate(rows * classes)
    let (p, d) = (call.saved[0].pointer, result.pointer)
    let scale = gradient.pointer[0] / Float(rows)
    let rest = smoothing / Float(classes)
    for row in 0..<rows {
      for i in row * classes..<(row + 1) * classes { d[i] = (p[i] - rest) * scale }
      d[row * classes + Int(labels[row])] -= (1 - smoothing) * scale
    }
    return [result]
  }

  /// ReduceMean over all axes, to a scalar (attribute keepdims 0, no axes).
  static let reduceMean = Operator("ReduceMean", 18) { (call) throws(ApusError) in
    let input = try call.tensor(0)
    guard call.int("keepdims", default: 1) == 0, call.integers(1) == nil, input.count > 0 else {
      throw ApusError(
        .unsupported, "training takes the mean over all axes of a tensor that has elements", actual: "\(input.shape)")
    }
    var sum: Double = 0
    for i in 0..<input.count { sum += Double(input.storage.pointer[i]) }
    return [Output(shape: [], storage: call.allocate(1, filledWith: Float(sum / Double(input.count))))]
  } backward: { call in
    guard call.wantsGradient(0), let gradient = call.outputGradients[0] else { return [nil] }
    let count = call.input(0).count
    return [call.allocate(count, filledWith: gradient.pointer[0] / Float(count))]
  }
}

extension Tensor {
  /// The mean of all elements: a scalar.
  public func mean() throws(ApusError) -> Tensor {
    try Operator.reduceMean.single([.tensor(self)], [Attribute("keepdims", .int(0))])
  }
}
