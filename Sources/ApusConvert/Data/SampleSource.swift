import ApusGraph
import ApusSafetensors
import Crypto
import Foundation

/// Samples for a model's inputs, read in batches from files that may be larger than the memory: the data of a calibration and of
/// an evaluation.
///
/// What a path may be:
/// - images in the IDX format of MNIST, packed by gzip or not; labels in the file beside it (`...-labels-idx1-ubyte`)
/// - an .npy file [samples, ...] for a model of one input
/// - an .npz archive of arrays by the inputs' names (or one array for one input), labels in its array `labels`, `label` or `y`
/// - a folder of images (PNG, JPEG, .pgm, .ppm) or of .npy files, a sample each; where it holds folders these are the classes
/// - a folder of test data (see `DataSet`)
///
/// Images of the wrong size are refused unless the options say how to resize them. A source is used by one thread at a time.
public final class SampleSource {
  public let path: String
  /// How many samples there are, with the limit applied.
  public let count: Int
  /// A class for each sample; nil where there are no labels.
  public let labels: [Int]?
  /// The names of the classes where the data has some (a folder's folders).
  public let classNames: [String]
  /// The batch that the model is fixed to; nil where it takes any.
  public let fixedBatch: Int?

  private let reader: any SampleReader
  private let inputs: [SampleInput]
  private let normalization: Normalization
  /// Of what was read so far, an input each.
  private var extremes: [ClosedRange<Float>?]

  /// - Parameters:
  ///   - inputs: what the model takes, without states; the first axis of each is the batch.
  ///   - symbols: the symbols of the inputs' shapes, for messages.
  /// - Throws: `fileNotFound`, what reading throws, `shapeMismatch` and `typeMismatch` naming file and input, `invalidArgument`
  ///   where there is no sample.
  public init(
    _ path: String, inputs: [(name: Name, type: ValueType)], symbols: [Symbol] = [], options: SampleOptions = SampleOptions()
  ) throws(ApusError) {
    try options.check()
    self.path = path
    self.inputs = try Self.inputs(inputs, symbols)
    fixedBatch = try Self.fixedBatch(self.inputs)
    normalization = Normalization(options)
    reader = try Self.reader(path, self.inputs, inputs, options)
    guard reader.count > 0 else { throw ApusError(.invalidArgument, "the data holds no samples", file: path) }
    let count = min(reader.count, options.limit ?? .max)
    self.count = count
    extremes = Array(repeating: nil, count: inputs.count)
    classNames = reader.classNames
    var labels = reader.labels
    if let file = options.labels { labels = try SampleLabels.read(file) }
    if let labels, labels.count != reader.count {
      throw ApusError(
        .shapeMismatch, "there must be one label for each sample", file: options.labels ?? path,
        expected: "\(reader.count) labels", actual: "\(labels.count)")
    }
    self.labels = labels.map { Array($0.prefix(count)) }
  }

  /// Some samples, made to fit the model.
  public struct Batch: Sendable {
    /// Which samples these are.
    public let range: Range<Int>
    /// An array [batch, ...] for each input, in the inputs' order. The batch is `range.count`, or the model's fixed one: then the
    /// last sample stands in the place of those that are missing.
    public let inputs: [(name: Name, value: NpyArray)]
  }

  /// Reads samples from `start` on.
  ///
  /// - Parameter size: the most samples; a model's fixed batch goes before it. Fewer come at the end of the data, and where
  ///   files are of different shapes.
  /// - Throws: what reading throws; `shapeMismatch`, `typeMismatch` and `valueOutOfRange` (NaN, infinity) naming file and input.
  public func batch(from start: Int, atMost size: Int) throws(ApusError) -> Batch {
    guard start >= 0, start < count, size > 0 else {
      throw ApusError(.indexOutOfRange, "there is no such sample", file: path, expected: "0 ..< \(count)", actual: "\(start)")
    }
    let raw = try reader.read(from: start, atMost: min(fixedBatch ?? size, count - start))
    let taken = raw.map(\.count).min() ?? 0
    guard taken > 0, raw.allSatisfy({ $0.count == taken }) else {
      throw ApusError(
        .shapeMismatch, "the inputs have different numbers of samples", file: raw.first?.file ?? path,
        actual: raw.map { "\(inputs[$0.input].name): \($0.count)" }.joined(separator: ", "))
    }
    var values: [(name: Name, value: NpyArray)] = []
    for samples in raw {
      let input = inputs[samples.input]
      do {
        var array = try normalization.apply(samples, to: input, first: start)
        try note(array, samples.input, first: start)
        if let fixedBatch { array.repeatLast(to: fixedBatch) }
        values.append((input.name, array))
      } catch {
        var error = error
        error.tensorName = input.name.string
        throw error.inFile(samples.file)
      }
    }
    return Batch(range: start..<start + taken, inputs: values)
  }

  /// Reads all the samples in batches.
  public func forEachBatch(of size: Int, _ body: (Batch) throws(ApusError) -> Void) throws(ApusError) {
    var start = 0
    while start < count {
      let batch = try batch(from: start, atMost: size)
      try body(batch)
      start = batch.range.upperBound
    }
  }

  /// Throws where what was read so far says nothing about a range: every number of an input is the same.
  /// - Throws: `valueOutOfRange` naming file and input.
  public func checkVariation() throws(ApusError) {
    for (input, range) in zip(inputs, extremes) {
      guard let range, range.lowerBound == range.upperBound else { continue }
      throw ApusError(
        .valueOutOfRange, "the data is constant: all its numbers are the same", file: path, tensorName: input.name.string,
        expected: "samples as the model will see them", actual: "\(range.lowerBound) everywhere")
    }
  }

  /// SHA-256 of the data, for a file's provenance: of a single file its own (what `sha256sum` prints); of a folder that of the
  /// lines `<SHA-256>  <path in the folder>` of its files, in the samples' order.
  public func hash() throws(ApusError) -> [UInt8] {
    if reader.files == [path] { return try Self.hash(path) }
    var hash = SHA256()
    for file in reader.files {
      let digest = Quantity.hexadecimal(try Self.hash(file))
      let name = file.hasPrefix(path + "/") ? String(file.dropFirst(path.count + 1)) : file
      hash.update(data: Array((digest + "  " + name + "\n").utf8))
    }
    return Array(hash.finalize())
  }

  private static func hash(_ path: String) throws(ApusError) -> [UInt8] {
    do throws(ApusError) {
      return try Conversion.hash(try FileBytes(path: path)) { _ in }
    } catch { throw error.inFile(path) }
  }

  /// Keeps the range of an input's floats, and finds those that are no numbers.
  private func note(_ array: NpyArray, _ input: Int, first: Int) throws(ApusError) {
    guard array.elementType == .float32, !array.bytes.isEmpty else { return }
    var (low, high) = (Float.infinity, -Float.infinity)
    var sum: Float = 0
    array.bytes.withUnsafeBytes { bytes in
      for offset in stride(from: 0, to: bytes.count, by: 4) {
        let value = bytes.loadUnaligned(fromByteOffset: offset, as: Float.self)
        low = min(low, value)
        high = max(high, value)
        // 0 for numbers, NaN for NaN and infinity.
        sum += value * 0
      }
    }
    guard sum == 0 else {
      let size = array.bytes.count / max(array.dimensions[0], 1)
      let place = array.bytes.withUnsafeBytes { bytes in
        stride(from: 0, to: bytes.count, by: 4).first {
          !bytes.loadUnaligned(fromByteOffset: $0, as: Float.self).isFinite
        } ?? 0
      }
      let value = array.bytes.withUnsafeBytes { $0.loadUnaligned(fromByteOffset: place, as: Float.self) }
      throw ApusError(
        .valueOutOfRange, "sample \(first + place / size) holds something that is no finite number",
        expected: "finite numbers", actual: "\(value) at element \(place % size / 4)")
    }
    if let known = extremes[input] {
      extremes[input] = min(low, known.lowerBound)...max(high, known.upperBound)
    } else {
      extremes[input] = low...high
    }
  }
}

// MARK: What the path and the model say

extension SampleSource {
  private static func inputs(_ ports: [(name: Name, type: ValueType)], _ symbols: [Symbol]) throws(ApusError) -> [SampleInput] {
    guard !ports.isEmpty else { throw ApusError(.unsupported, "the model takes no inputs") }
    var inputs: [SampleInput] = []
    for (name, type) in ports {
      guard case .tensor(let tensor) = type, tensor.elementType != .string else {
        throw ApusError(
          .unsupported, "samples are tensors of numbers", tensorName: name.string, actual: type.kindText)
      }
      if let shape = tensor.shape, shape.rank == 0 {
        throw ApusError(
          .unsupported, "the input is a scalar: it has no axis for the batch", tensorName: name.string)
      }
      inputs.append(
        SampleInput(
          name: name, elementType: tensor.elementType, shape: tensor.shape,
          text: tensor.elementType.name.text + " " + Shape.text(tensor.shape, symbols: symbols)))
    }
    return inputs
  }

  private static func fixedBatch(_ inputs: [SampleInput]) throws(ApusError) -> Int? {
    let extents = Set(inputs.compactMap { $0.shape?[0].value })
    guard extents.count < 2, extents.first != 0 else {
      throw ApusError(
        .unsupported, "the first axis of the inputs is not the batch",
        actual: inputs.map { "\($0.name): \($0.text)" }.joined(separator: ", "))
    }
    return extents.first
  }

  private static func reader(
    _ path: String, _ inputs: [SampleInput], _ ports: [(name: Name, type: ValueType)], _ options: SampleOptions
  ) throws(ApusError) -> any SampleReader {
    var isFolder: ObjCBool = false
    guard FileManager.default.fileExists(atPath: path, isDirectory: &isFolder) else {
      throw ApusError(.fileNotFound, "there is no such data", file: path)
    }
    if isFolder.boolValue {
      return DataSet.isFolderOfTestData(path) ? try TestDataSamples(path, ports) : try FolderSamples(path, inputs, options)
    }
    if path.hasSuffix(".npy") { return try ArraySamples(npy: path, inputs) }
    if path.hasSuffix(".npz") { return try ArraySamples(npz: path, inputs) }
    return try IDXSamples(path, inputs)
  }
}

extension NpyArray {
  /// Lengthens the first axis with copies of its last element.
  mutating func repeatLast(to count: Int) {
    guard let have = dimensions.first, have > 0, have < count else { return }
    let last = bytes.suffix(bytes.count / have)
    for _ in have..<count { bytes += last }
    dimensions[0] = count
  }
}
