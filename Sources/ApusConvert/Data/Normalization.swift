import ApusGraph

/// Makes samples fit an input: shape, order of the axes, element type, and `(number * scale - mean) / standard deviation`.
struct Normalization {
  private let scale: Double?
  private let mean: [Double]
  private let deviation: [Double]
  private let layout: SampleOptions.Layout?

  init(_ options: SampleOptions) {
    (scale, mean, deviation) = (options.scale, options.mean, options.standardDeviation)
    layout = options.layout
  }

  private var isAsked: Bool { scale != nil || !mean.isEmpty || !deviation.isEmpty }

  /// - Parameter first: the number of the first sample, for messages.
  func apply(_ samples: RawSamples, to input: SampleInput, first: Int) throws(ApusError) -> NpyArray {
    switch samples.kind {
    case .image: return try image(samples.array, input)
    case .array:
      var array = samples.array
      array.dimensions = [samples.count] + (try fit(Array(array.dimensions.dropFirst()), input))
      let axis = array.dimensions.count > 2 ? (layout == .nhwc ? array.dimensions.count - 1 : 1) : nil
      return try converted(array, channelAxis: axis, input)
    }
  }

  /// The extents of a sample as the input has them: axes of one come and go.
  private func fit(_ extents: [Int], _ input: SampleInput) throws(ApusError) -> [Int] {
    guard let shape = input.shape else { return extents }
    let wanted = Array(shape.dimensions.dropFirst())
    if wanted.count == extents.count, zip(wanted, extents).allSatisfy({ ($0.value ?? $1) == $1 }) { return extents }
    let known = wanted.compactMap(\.value)
    let isFlat = known.count == 1 && elementCount(extents) == known.first
    if known.count == wanted.count, isFlat || known.filter({ $0 != 1 }) == extents.filter({ $0 != 1 }) { return known }
    throw ApusError(
      .shapeMismatch, "the samples have another shape than the input", expected: input.text,
      actual: "samples of " + Shape(extents).text(symbols: []))
  }

  // MARK: Images

  /// [N, H, W, C] of bytes to the input's order.
  private func image(_ array: NpyArray, _ input: SampleInput) throws(ApusError) -> NpyArray {
    let (count, height, width, channels) = (
      array.dimensions[0], array.dimensions[1], array.dimensions[2], array.dimensions[3]
    )
    let last = [height, width, channels]
    let planes = [channels, height, width]
    let isPlanes = layout.map { $0 == .nchw } ?? !input.isChannelsLast(of: [channels])
    let extents = isPlanes ? planes : last
    var result = array
    do throws(ApusError) {
      result.dimensions = [count] + (try fit(extents, input))
    } catch {
      var error = error
      error.actual = "\(width) x \(height) with \(channels) channel\(channels == 1 ? "" : "s")"
      error.message = "the images do not fit the input (--resize makes images of a folder fit)"
      throw error
    }
    if isPlanes && channels > 1 {
      var bytes = [UInt8](repeating: 0, count: array.bytes.count)
      let pixels = height * width
      for image in 0..<count {
        for pixel in 0..<pixels {
          for channel in 0..<channels {
            bytes[(image * channels + channel) * pixels + pixel] = array.bytes[(image * pixels + pixel) * channels + channel]
          }
        }
      }
      result.bytes = bytes
    }
    let shape = result.dimensions
    result.dimensions = [count] + extents
    result = try converted(result, channelAxis: isPlanes ? 1 : 3, input)
    result.dimensions = shape
    return result
  }

  // MARK: Numbers

  private func converted(_ array: NpyArray, channelAxis: Int?, _ input: SampleInput) throws(ApusError) -> NpyArray {
    let type = input.elementType
    let isFloat = type.floats([]) != nil
    if !isFloat {
      guard !isAsked else {
        throw ApusError(
          .typeMismatch, "the input takes no floats: scale, mean and standard deviation do not go with it", expected: input.text)
      }
      return try integers(array, input)
    }
    let scale = scale ?? (array.elementType == .uint8 ? 1 / 255 : 1)
    if type == array.elementType, scale == 1, mean.isEmpty, deviation.isEmpty { return array }
    let factors = try channelFactors(array, channelAxis, input)
    if array.elementType == .uint8, type == .float32 { return bytesToFloats(array, scale, factors) }
    guard array.elementType.floats([]) != nil || array.elementType.integers([]) != nil else {
      throw ApusError(
        .typeMismatch, "the samples are of a type that the input does not take", expected: input.text,
        actual: array.elementType.name.text)
    }
    var values = try array.doubles()
    factors.forEachRun(values.count) { range, channel in
      let (mean, deviation) = (factors.means[channel], factors.deviations[channel])
      for index in range { values[index] = (values[index] * scale - mean) / deviation }
    }
    guard let bytes = Self.bytes(values, as: type) else {
      throw ApusError(.unsupportedType, "samples of this type can't be made", expected: input.text)
    }
    return NpyArray(elementType: type, dimensions: array.dimensions, bytes: bytes)
  }

  /// The bytes of floats, rounded to nearest even; nil for types that are none.
  private static func bytes(_ values: [Double], as type: ElementType) -> [UInt8]? {
    switch type {
    case .float64: values.withUnsafeBytes { Array($0) }
    case .float32: values.map { Float($0) }.withUnsafeBytes { Array($0) }
    case .float16: values.map { Float16($0) }.withUnsafeBytes { Array($0) }
    default: nil
    }
  }

  /// A byte has 256 values: their floats come from a table, a channel each.
  private func bytesToFloats(_ array: NpyArray, _ scale: Double, _ factors: ChannelFactors) -> NpyArray {
    let tables = zip(factors.means, factors.deviations).map { mean, deviation in
      (0..<256).map { value in
        // A bare pixel is p / 255 in floats, as training has it.
        isAsked ? Float((Double(value) * scale - mean) / deviation) : Float(value) / 255
      }
    }
    let bytes = [UInt8](unsafeUninitializedCapacity: array.bytes.count * 4) { buffer, initialized in
      let floats = UnsafeMutableRawBufferPointer(buffer)
      factors.forEachRun(array.bytes.count) { range, channel in
        let table = tables[channel]
        for index in range {
          floats.storeBytes(of: table[Int(array.bytes[index])], toByteOffset: index * 4, as: Float.self)
        }
      }
      initialized = array.bytes.count * 4
    }
    return NpyArray(elementType: .float32, dimensions: array.dimensions, bytes: bytes)
  }

  private func integers(_ array: NpyArray, _ input: SampleInput) throws(ApusError) -> NpyArray {
    let type = input.elementType
    if type == array.elementType { return array }
    guard let values = array.elementType.integers(array.bytes), let bytes = type.bytes(of: values) else {
      throw ApusError(
        .typeMismatch, "the samples are of a type that the input does not take", expected: input.text,
        actual: array.elementType.name.text)
    }
    guard type.integers(bytes) == values else {
      throw ApusError(
        .valueOutOfRange, "the samples hold numbers that the input's type does not have", expected: type.name.text,
        actual: "\(array.elementType.name.text) \(values.min() ?? 0) to \(values.max() ?? 0)")
    }
    return NpyArray(elementType: type, dimensions: array.dimensions, bytes: bytes)
  }

  private func channelFactors(_ array: NpyArray, _ axis: Int?, _ input: SampleInput) throws(ApusError) -> ChannelFactors {
    let channels = axis.map { array.dimensions[$0] } ?? 1
    for (what, values) in [("means", mean), ("standard deviations", deviation)] where values.count > 1 {
      guard values.count == channels else {
        throw ApusError(
          .invalidArgument, "there must be one of the \(what) for all channels, or one each", expected: "1 or \(channels)",
          actual: "\(values.count)")
      }
    }
    guard mean.count > 1 || deviation.count > 1, let axis else {
      return ChannelFactors(mean: mean.first ?? 0, deviation: deviation.first ?? 1)
    }
    return ChannelFactors(
      means: (0..<channels).map { mean.isEmpty ? 0 : mean[min($0, mean.count - 1)] },
      deviations: (0..<channels).map { deviation.isEmpty ? 1 : deviation[min($0, deviation.count - 1)] },
      run: array.dimensions[(axis + 1)...].reduce(1, *))
  }
}

/// The mean and the standard deviation of each channel of an array whose channels are runs of elements.
private struct ChannelFactors {
  let means: [Double]
  let deviations: [Double]
  /// Elements of a channel that stand together; 0: all.
  let run: Int

  init(mean: Double, deviation: Double) { (means, deviations, run) = ([mean], [deviation], 0) }

  init(means: [Double], deviations: [Double], run: Int) {
    (self.means, self.deviations, self.run) = (means, deviations, max(run, 1))
  }

  /// Calls `body` with the elements of each run and the number of their channel.
  func forEachRun(_ count: Int, _ body: (Range<Int>, Int) -> Void) {
    guard run > 0 else { return body(0..<count, 0) }
    var (start, channel) = (0, 0)
    while start < count {
      let end = min(start + run, count)
      body(start..<end, channel)
      start = end
      channel = channel + 1 == means.count ? 0 : channel + 1
    }
  }
}
