import ApusFormat
import ApusGraph

/// How a model's outputs for its stored test vectors compare with the stored outputs.
public struct SelfTestReport: Sendable {
  public struct Output: Sendable {
    public let vector: Name
    public let output: Name
    public let elements: Int
    /// Largest |actual - expected|.
    public let maximumAbsoluteError: Double
    /// Largest |actual - expected| / |expected|, over elements whose expected value is not 0.
    public let maximumRelativeError: Double
    /// Elements outside of the vector's tolerance.
    public let failures: Int
  }

  public let vectors: Int
  public let outputs: [Output]

  public var passed: Bool { outputs.allSatisfy { $0.failures == 0 } }

  public var maximumAbsoluteError: Double { outputs.reduce(0) { max($0, $1.maximumAbsoluteError) } }
}

extension Model {
  /// Runs the model on the file's test vectors and compares.
  ///
  /// A NaN passes where NaN is expected, an infinity where the same one is. States start anew for each vector.
  /// - Throws: whatever a run throws; `unsupported_type` for outputs of other types than numbers; `unsupported` where
  ///   `LoadOptions.quantizedPorts` gave the model other ports than its test vectors have; never for a difference.
  public func selfTest(pool: ThreadPool? = nil) throws(ApusError) -> SelfTestReport {
    if let port = (inputs + outputs).first(where: { $0.quantization != nil }) {
      throw ApusError(
        .unsupported, "test vectors are for the ports as the model declares them", tensorName: port.name.string,
        expected: "a model that was loaded without quantized ports")
    }
    var options = SessionOptions()
    options.pool = pool
    let session = try Session(model: self, options: options)
    var outputs: [SelfTestReport.Output] = []
    for vector in definition.metadata.testVectors {
      try prepare(session, vector)
      for tensor in vector.inputs {
        let port = try position(tensor.name, in: inputs, vector)
        guard inputs[port].state == nil else { continue }
        let target = try session.inputBuffer(port)
        try file.withBytes(of: tensor.tensor) { bytes throws(ApusError) in
          guard bytes.count == target.count else {
            throw ApusError(
              .invalidModel, "a test vector's input has the wrong size", tensorName: tensor.name.string,
              expected: "\(target.count) bytes", actual: "\(bytes.count)")
          }
          target.copyMemory(from: bytes)
        }
      }
      try session.run()
      for tensor in vector.outputs {
        let port = try position(tensor.name, in: self.outputs, vector)
        outputs.append(try compare(session, port, tensor, vector))
      }
    }
    return SelfTestReport(vectors: definition.metadata.testVectors.count, outputs: outputs)
  }

  private func prepare(_ session: Session, _ vector: TestVector) throws(ApusError) {
    var shapes: [[Int]] = []
    for port in inputs {
      if let tensor = vector.inputs.first(where: { $0.name == port.name }) {
        shapes.append(tensor.tensor.dimensions)
      } else if port.state != nil, let fixed = port.shape?.known {
        shapes.append(fixed)
      } else {
        throw ApusError(
          .invalidModel, "test vector '" + vector.name.string + "' lacks an input", tensorName: port.name.string)
      }
    }
    try session.prepare(shapes)
  }

  private func position(_ name: Name, in ports: [Port], _ vector: TestVector) throws(ApusError) -> Int {
    if let position = ports.firstIndex(where: { $0.name == name }) { return position }
    throw ApusError(
      .invalidModel, "test vector '" + vector.name.string + "' names a tensor that the model does not have",
      tensorName: name.string)
  }

  private func compare(
    _ session: Session, _ port: Int, _ expected: TestVector.Tensor, _ vector: TestVector
  ) throws(ApusError) -> SelfTestReport.Output {
    let shape = try session.outputShape(port)
    let type = outputs[port].elementType
    guard expected.tensor.elementType == type, expected.tensor.dimensions == shape else {
      throw ApusError(
        .selfTestFailed, "test vector '" + vector.name.string + "' has another type or shape", tensorName: expected.name.string,
        expected: expected.tensor.elementType.name.text + " " + Shape(expected.tensor.dimensions).text(symbols: []),
        actual: type.name.text + " " + Shape(shape).text(symbols: []))
    }
    let actual = try session.outputBuffer(port)
    let count = elementCount(shape) ?? 0
    var (absolute, relative, failures) = (0.0, 0.0, 0)
    try file.withBytes(of: expected.tensor) { stored throws(ApusError) in
      for index in 0..<count {
        let a = try element(actual, index, type, expected.name)
        let b = try element(stored, index, type, expected.name)
        if a == b || (a.isNaN && b.isNaN) { continue }
        let difference = (a - b).magnitude
        if !(difference <= Double(vector.absoluteTolerance) + Double(vector.relativeTolerance) * b.magnitude) { failures += 1 }
        absolute = difference.isNaN ? .infinity : max(absolute, difference)
        if b != 0 { relative = difference.isNaN ? .infinity : max(relative, difference / b.magnitude) }
      }
    }
    return SelfTestReport.Output(
      vector: vector.name, output: expected.name, elements: count, maximumAbsoluteError: absolute,
      maximumRelativeError: relative, failures: failures)
  }

  /// An element as a double; exact but for 64-bit integers beyond 2^53.
  private func element(
    _ bytes: UnsafeRawBufferPointer, _ index: Int, _ type: ElementType, _ name: Name
  ) throws(ApusError) -> Double {
    func load<T: BitwiseCopyable>(_: T.Type) -> T {
      bytes.loadUnaligned(fromByteOffset: index * MemoryLayout<T>.size, as: T.self)
    }
    switch type {
    case .float32: return Double(load(Float.self))
    case .float64: return load(Double.self)
    case .float16: return Double(load(Float16.self))
    case .bfloat16: return Double(Float(bitPattern: UInt32(load(UInt16.self)) << 16))
    case .int8: return Double(load(Int8.self))
    case .int16: return Double(load(Int16.self))
    case .int32: return Double(load(Int32.self))
    case .int64: return Double(load(Int64.self))
    case .uint8, .bool: return Double(load(UInt8.self))
    case .uint16: return Double(load(UInt16.self))
    case .uint32: return Double(load(UInt32.self))
    case .uint64: return Double(load(UInt64.self))
    default:
      throw ApusError(
        .unsupportedType, "this version compares outputs of numbers", tensorName: name.string, actual: type.name.text)
    }
  }
}
