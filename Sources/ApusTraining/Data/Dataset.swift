import ApusGraph

/// Examples with what should be answered to them.
public protocol Dataset {
  var count: Int { get }
  /// The shape of one example, without the batch.
  var inputShape: [Int] { get }
  /// The examples with the given numbers as one batch [N, ...].
  /// - Throws: `indexOutOfRange` for numbers outside 0 ..< count.
  func batch(_ indices: some Collection<Int>, in context: Context) throws(ApusError) -> Batch
}

public struct Batch {
  public let inputs: Tensor
  public let targets: Target

  public init(inputs: Tensor, targets: Target) {
    self.inputs = inputs
    self.targets = targets
  }
}

extension Dataset {
  func check(_ indices: some Collection<Int>) throws(ApusError) {
    for index in indices where index < 0 || index >= count {
      throw ApusError(.indexOutOfRange, "there is no such example", expected: "0 ..< \(count)", actual: "\(index)")
    }
  }
}

/// Grey or colour images of 8 bits with the number of their class. A pixel p becomes the float p / 255.
public struct ImageDataset: Dataset, Sendable {
  /// Row-major [count, channels, height, width].
  public let pixels: [UInt8]
  public let labels: [UInt8]
  public let inputShape: [Int]

  public var count: Int { labels.count }

  /// - Parameter imageShape: [channels, height, width].
  /// - Throws: `shapeMismatch` where pixels and labels are not of the same number of images.
  public init(pixels: [UInt8], labels: [UInt8], imageShape: [Int]) throws(ApusError) {
    guard imageShape.count == 3, let total = elementCount([labels.count] + imageShape), total == pixels.count else {
      throw ApusError(
        .shapeMismatch, "pixels and labels are not of the same images",
        expected: "[channels, height, width] and \(labels.count) images", actual: "\(imageShape) and \(pixels.count) pixels")
    }
    self.pixels = pixels
    self.labels = labels
    inputShape = imageShape
  }

  public func batch(_ indices: some Collection<Int>, in context: Context) throws(ApusError) -> Batch {
    try check(indices)
    let size = inputShape.reduce(1, *)
    let storage = Storage(count: indices.count * size, cache: context.buffers)
    pixels.withUnsafeBufferPointer { pixels in
      var target = storage.pointer
      for index in indices {
        for i in 0..<size { target[i] = Float(pixels[index &* size &+ i]) / 255 }
        target += size
      }
    }
    return Batch(
      inputs: Tensor(shape: [indices.count] + inputShape, storage: storage, context: context),
      targets: .classes(indices.map { Int64(labels[$0]) }))
  }

  /// The first `count` examples.
  public func prefix(_ count: Int) throws(ApusError) -> ImageDataset {
    let count = max(0, min(count, self.count))
    return try ImageDataset(
      pixels: Array(pixels.prefix(count * inputShape.reduce(1, *))), labels: Array(labels.prefix(count)), imageShape: inputShape)
  }
}

/// Tensors in memory: inputs [count, ...] with a class for each, or with values [count, ...].
public struct TensorDataset: Dataset, Sendable {
  private let inputs: [Float]
  private let classes: [Int64]
  private let values: [Float]
  private let valueShape: [Int]
  public let inputShape: [Int]
  public let count: Int

  /// - Throws: `shapeMismatch` where the numbers of examples differ.
  public init(inputs: Tensor, classes: [Int64]) throws(ApusError) {
    try Self.check(inputs, classes.count)
    self.inputs = inputs.values
    self.classes = classes
    values = []
    valueShape = []
    inputShape = Array(inputs.shape.dropFirst())
    count = classes.count
  }

  public init(inputs: Tensor, values: Tensor) throws(ApusError) {
    try Self.check(inputs, values.shape.first ?? 0)
    self.inputs = inputs.values
    classes = []
    self.values = values.values
    valueShape = Array(values.shape.dropFirst())
    inputShape = Array(inputs.shape.dropFirst())
    count = inputs.shape[0]
  }

  private static func check(_ inputs: Tensor, _ targets: Int) throws(ApusError) {
    guard let count = inputs.shape.first, count == targets else {
      throw ApusError(
        .shapeMismatch, "each example has one target", expected: "\(inputs.shape.first ?? 0) targets", actual: "\(targets)")
    }
  }

  public func batch(_ indices: some Collection<Int>, in context: Context) throws(ApusError) -> Batch {
    try check(indices)
    let examples = try Self.rows(indices, of: inputs, inputShape, context)
    if classes.isEmpty {
      return Batch(inputs: examples, targets: .values(try Self.rows(indices, of: values, valueShape, context)))
    }
    return Batch(inputs: examples, targets: .classes(indices.map { classes[$0] }))
  }

  private static func rows(
    _ indices: some Collection<Int>, of values: [Float], _ shape: [Int], _ context: Context
  ) throws(ApusError) -> Tensor {
    let size = shape.reduce(1, *)
    var rows: [Float] = []
    rows.reserveCapacity(indices.count * size)
    for index in indices { rows += values[index * size..<(index + 1) * size] }
    return try Tensor(rows, shape: [indices.count] + shape, context: context)
  }
}
