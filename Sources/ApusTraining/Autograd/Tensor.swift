import ApusGraph

/// An array of 32-bit floats with a shape, row-major, that remembers how it was computed.
///
/// Contents do not change once computed, but for parameters, which optimizers update, and buffers such as the running statistics
/// of batch normalization. Not to be used by two threads at a time.
public final class Tensor {
  public let shape: [Int]
  let storage: Storage
  /// nil for tensors that belong to no context, as parameters do: they are used by whatever context reads them.
  public let context: Context?

  /// Whether `backward` is to compute the gradient by this tensor. Setting it to false freezes a parameter.
  public var requiresGradient: Bool

  /// The gradient that `backward` left, of this tensor's shape; only parameters and other leaves keep one.
  public internal(set) var gradient: Tensor?

  /// The application that computed this tensor, if its gradient is wanted, and which of its outputs this is.
  var origin: (application: Application, output: Int)?
  /// The name under which a running trace knows this tensor.
  var traced: TracedValue?

  init(shape: [Int], storage: Storage, context: Context?, requiresGradient: Bool = false) {
    self.shape = shape
    self.storage = storage
    self.context = context
    self.requiresGradient = requiresGradient
  }

  /// - Throws: `shapeMismatch` where the number of values is not the product of the extents.
  public convenience init(
    _ values: [Float], shape: [Int], context: Context? = nil, requiresGradient: Bool = false
  ) throws(ApusError) {
    guard elementCount(shape) == values.count else {
      throw ApusError(
        .shapeMismatch, "the number of values is not that of the shape", expected: "values for the shape \(shape)",
        actual: "\(values.count) values")
    }
    self.init(
      shape: shape, storage: Storage(values, cache: context?.buffers), context: context, requiresGradient: requiresGradient)
  }

  /// A tensor whose elements are all `value`.
  public convenience init(
    repeating value: Float, shape: [Int], context: Context? = nil, requiresGradient: Bool = false
  ) throws(ApusError) {
    guard let count = elementCount(shape) else { throw ApusError(.invalidArgument, "a shape no tensor has", actual: "\(shape)") }
    self.init(
      shape: shape, storage: Storage(count: count, filledWith: value, cache: context?.buffers), context: context,
      requiresGradient: requiresGradient)
  }

  public var rank: Int { shape.count }
  public var count: Int { storage.count }

  /// The elements, copied, row-major.
  public var values: [Float] { storage.values }

  /// The only element of a tensor that has one.
  /// - Throws: `shapeMismatch` for tensors of other sizes.
  public func item() throws(ApusError) -> Float {
    guard count == 1 else {
      throw ApusError(.shapeMismatch, "only a tensor of one element has a value", actual: "the shape \(shape)")
    }
    return storage.pointer[0]
  }

  /// Reads the elements in place.
  public func withValues<Result>(_ body: (UnsafeBufferPointer<Float>) throws(ApusError) -> Result) throws(ApusError) -> Result {
    try body(UnsafeBufferPointer(start: storage.pointer, count: count))
  }

  /// Overwrites the elements of a parameter or buffer.
  /// - Throws: `shapeMismatch` where the number of values differs.
  public func assign(_ values: [Float]) throws(ApusError) {
    guard values.count == count else {
      throw ApusError(
        .shapeMismatch, "a tensor keeps its number of elements", expected: "\(count) values", actual: "\(values.count)")
    }
    values.withUnsafeBufferPointer { source in
      if let base = source.baseAddress { storage.pointer.update(from: base, count: source.count) }
    }
  }

  /// The same elements without their history: nothing flows back through it.
  public func detached() -> Tensor { Tensor(shape: shape, storage: storage, context: context) }

  /// The same elements as a tensor of `context`.
  public func moved(to context: Context) -> Tensor { Tensor(shape: shape, storage: storage, context: context) }
}
