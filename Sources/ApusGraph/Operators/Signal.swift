extension OperatorSchema {
  private static let lengths = TypeSet(.int32, .int64)
  private static let spectra = TypeSet(.float16, .float32, .float64, .bfloat16)

  /// The discrete Fourier transform along one axis of `[..., n, ..., 1 or 2]`: real signals, or pairs of real and imaginary part.
  ///
  /// `onesided` keeps the bins 0 to n / 2; with `inverse` it takes those bins and gives a real signal `[..., n, ..., 1]`.
  public static let dft = OperatorSchema(
    name: "DFT", versions: [20],
    inputs: [
      Parameter("input", spectra), Parameter("dft_length", lengths, group: 2, .optional, steers: true),
      Parameter("axis", TypeSet(.int64), group: 3, .optional, steers: true),
    ],
    outputs: [Parameter("output", spectra)],
    attributes: [AttributeSchema("inverse", default: .int(0)), AttributeSchema("onesided", default: .int(0))]
  ) { context throws(ApusError) in
    let type = try context.elementType(0)
    try context.requireRank(0, atLeast: 2)
    guard let input = context.shape(0) else { return context.setOutput(0, type, nil) }
    if let components = input[input.rank - 1].value, components != 1, components != 2 {
      throw context.error("wrong last extent", input: 0, expected: "1 or 2", actual: "\(components)")
    }
    var shape = input
    guard let axis = try context.fourierAxis(rank: input.rank) else {
      for axis in 0..<shape.rank { shape[axis] = .unknown }
      return context.setOutput(0, type, shape)
    }
    let (inverse, onesided) = (context.attributes.flag("inverse"), context.attributes.flag("onesided"))
    let length = try context.fourierLength(input[axis])
    shape[axis] = onesided && !inverse ? length.value.map { .known($0 / 2 + 1) } ?? .unknown : length
    shape[input.rank - 1] = .known(onesided && inverse ? 1 : 2)
    context.setOutput(0, type, shape)
  }

  /// Transforms of overlapping frames of a signal `[B, length, 1 or 2]`, to `[B, frames, bins, 2]`.
  public static let stft = OperatorSchema(
    name: "STFT", versions: [17],
    inputs: [
      Parameter("signal", spectra), Parameter("frame_step", lengths, group: 2, steers: true),
      Parameter("window", spectra, .optional), Parameter("frame_length", lengths, group: 2, .optional, steers: true),
    ],
    outputs: [Parameter("output", spectra)], attributes: [AttributeSchema("onesided", default: .int(1))]
  ) { context throws(ApusError) in
    let type = try context.elementType(0)
    if let rank = context.shape(0)?.rank, rank != 2 { try context.requireRank(0, 3) }
    try context.requireRank(2, 1)
    guard let signal = context.shape(0) else { return context.setOutput(0, type, nil) }
    var shape = Shape([signal[0], .unknown, .unknown, .known(2)])
    let length = try context.frameLength()
    if let length = length.value {
      shape[2] = .known(context.attributes.flag("onesided") ? length / 2 + 1 : length)
    }
    if let samples = signal[1].value, let length = length.value, let step = context.input(1)?.integers?.first {
      guard step > 0, let step = Int(exactly: step) else {
        throw context.error("wrong frame step", input: 1, expected: "1 or more", actual: "\(step)")
      }
      guard length <= samples else {
        throw context.error("the frame is longer than the signal", input: 0, expected: "\(length) or more", actual: "\(samples)")
      }
      shape[1] = .known((samples - length) / step + 1)
    }
    context.setOutput(0, type, shape)
  }

  private static func window(_ name: StaticString) -> OperatorSchema {
    OperatorSchema(
      name: name, versions: [17], inputs: [Parameter("size", lengths, group: 2, steers: true)],
      outputs: [Parameter("output", .numeric, group: 0)],
      attributes: [AttributeSchema("output_datatype", default: .int(1)), AttributeSchema("periodic", default: .int(1))]
    ) { context throws(ApusError) in
      let type = try context.outputDatatype()
      guard let size = context.input(0)?.integers?.first else { return context.setOutput(0, type, Shape([.unknown])) }
      guard size >= 0, size <= Int64(Int32.max) else {
        throw context.error("wrong window size", input: 0, expected: "0 to \(Int32.max)", actual: "\(size)")
      }
      context.setOutput(0, type, Shape([Int(size)]))
    }
  }

  /// `0.5 - 0.5 cos(2 pi t / N)`, N = size (periodic) or size - 1.
  public static let hannWindow = window("HannWindow")
  /// `25/46 - 21/46 cos(2 pi t / N)`.
  public static let hammingWindow = window("HammingWindow")
  /// `0.42 - 0.5 cos(2 pi t / N) + 0.08 cos(4 pi t / N)`.
  public static let blackmanWindow = window("BlackmanWindow")

  /// Triangular filters on the mel scale, `[dft_length / 2 + 1, num_mel_bins]`.
  public static let melWeightMatrix = OperatorSchema(
    name: "MelWeightMatrix", versions: [17],
    inputs: [
      Parameter("num_mel_bins", lengths, steers: true), Parameter("dft_length", lengths, steers: true),
      Parameter("sample_rate", lengths, steers: true), Parameter("lower_edge_hertz", .floats, group: 2, steers: true),
      Parameter("upper_edge_hertz", .floats, group: 2, steers: true),
    ],
    outputs: [Parameter("output", .numeric, group: 0)],
    attributes: [AttributeSchema("output_datatype", default: .int(1))]
  ) { context throws(ApusError) in
    var shape = Shape([.unknown, .unknown])
    if let length = context.input(1)?.integers?.first { shape[0] = .known(try context.count(length, 1) / 2 + 1) }
    if let bins = context.input(0)?.integers?.first { shape[1] = .known(try context.count(bins, 0)) }
    context.setOutput(0, try context.outputDatatype(), shape)
  }
}

extension InferenceContext {
  /// The axis of a DFT, not negative; nil where it is not known. The last axis holds real and imaginary parts.
  public func fourierAxis(rank: Int) throws(ApusError) -> Int? {
    var axis: Int64 = -2
    if let operand = input(2) {
      guard let stated = operand.integers?.first else { return nil }
      axis = stated
    }
    guard axis >= Int64(-rank), axis < Int64(rank), axis != -1, axis != Int64(rank - 1) else {
      throw error("wrong axis", input: 2, expected: "-\(rank) to \(rank - 2), not -1", actual: "\(axis)")
    }
    return Int(axis < 0 ? axis + Int64(rank) : axis)
  }

  /// The points of a DFT over an axis of `extent`.
  public func fourierLength(_ extent: Dimension) throws(ApusError) -> Dimension {
    if let operand = input(1) {
      guard let length = operand.integers?.first else { return .unknown }
      return .known(try count(length, 1))
    }
    guard attributes.flag("inverse"), attributes.flag("onesided") else { return extent }
    guard let bins = extent.value else { return .unknown }
    guard bins > 1 else { throw error("no signal has so few bins", input: 0, expected: "2 or more", actual: "\(bins)") }
    return .known(try (bins - 1).checkedMultiplied(by: 2))
  }

  /// The frame length of an STFT: stated, or that of the window.
  public func frameLength() throws(ApusError) -> Dimension {
    var length = shape(2).map { $0[0] } ?? .unknown
    if let operand = input(3) {
      guard let stated = operand.integers?.first else { return length }
      length = try unified(.known(try count(stated, 3)), length, "frame_length and the window")
    } else if input(2) == nil, let signal = shape(0) {
      length = signal[1]
    }
    return length
  }

  fileprivate func count(_ value: Int64, _ index: Int) throws(ApusError) -> Int {
    guard value > 0, value <= Int64(Int32.max) else {
      throw error("wrong count", input: index, expected: "1 to \(Int32.max)", actual: "\(value)")
    }
    return Int(value)
  }

  fileprivate func outputDatatype() throws(ApusError) -> ElementType {
    let stated = attributes.int("output_datatype") ?? 1
    guard let type = Int32(exactly: stated).flatMap({ ElementType(rawValue: $0) }), TypeSet.numeric.contains(type) else {
      throw attributeError("output_datatype", expected: TypeSet.numeric.text, actual: "\(stated)")
    }
    return type
  }
}
