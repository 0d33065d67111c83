import ApusGraph
import ApusSafetensors

/// The arrays of an .npy file, read as they are wanted, or of an .npz archive, in memory.
struct ArraySamples: SampleReader {
  private let path: String
  /// The rows for each input.
  private let rows: [NpyRows]
  let count: Int
  let labels: [Int]?

  var classNames: [String] { [] }
  var files: [String] { [path] }

  init(npy path: String, _ inputs: [SampleInput]) throws(ApusError) {
    guard inputs.count == 1 else {
      throw ApusError(
        .invalidArgument, "the file holds one array, the model takes several", file: path,
        expected: "an .npz archive with arrays " + inputs.map(\.name.string).joined(separator: ", "))
    }
    self.path = path
    rows = [try NpyRows(path: path)]
    count = rows[0].count
    labels = nil
  }

  init(npz path: String, _ inputs: [SampleInput]) throws(ApusError) {
    self.path = path
    var arrays = try NpzArchive(path: path).arrays
    var labels: [Int]?
    // An input may be called y.
    if let place = arrays.firstIndex(where: { entry in
      SampleLabels.arrayNames.contains(entry.name) && !inputs.contains { $0.name == Name(entry.name) }
    }) {
      let entry = arrays.remove(at: place)
      do { labels = try SampleLabels.classes(entry.array) } catch {
        var error = error
        error.tensorName = entry.name
        throw error.inFile(path)
      }
    }
    var rows: [NpyRows] = []
    for input in inputs {
      let place = arrays.firstIndex { Name($0.name) == input.name } ?? (inputs.count == 1 && arrays.count == 1 ? 0 : nil)
      guard let place else {
        throw ApusError(
          .unknownName, "the archive has no array of the input's name", file: path, tensorName: input.name.string,
          expected: inputs.map(\.name.string).joined(separator: ", "), actual: arrays.map(\.name).joined(separator: ", "))
      }
      do { rows.append(try NpyRows(arrays[place].array)) } catch {
        var error = error
        error.tensorName = input.name.string
        throw error.inFile(path)
      }
    }
    let counts = Set(rows.map(\.count))
    guard counts.count == 1, let count = counts.first else {
      throw ApusError(
        .shapeMismatch, "the arrays of the inputs have different numbers of samples", file: path,
        actual: zip(inputs, rows).map { "\($0.name): \($1.count)" }.joined(separator: ", "))
    }
    self.rows = rows
    self.count = count
    self.labels = labels
  }

  func read(from start: Int, atMost count: Int) throws(ApusError) -> [RawSamples] {
    var samples: [RawSamples] = []
    for (index, rows) in rows.enumerated() {
      do {
        let array = try rows.read(start..<start + count)
        samples.append(RawSamples(input: index, kind: .array, array: array, file: path))
      } catch { throw error.inFile(path) }
    }
    return samples
  }
}

/// The elements of an array along its first axis.
struct NpyRows {
  private enum Storage {
    case array(NpyArray)
    /// Row-major, little-endian elements from an offset of the file on.
    case file(FileBytes, offset: UInt64)
  }

  let elementType: ElementType
  let dimensions: [Int]
  private let storage: Storage

  var count: Int { dimensions[0] }

  init(_ array: NpyArray) throws(ApusError) {
    guard !array.dimensions.isEmpty else {
      throw ApusError(.shapeMismatch, "the array is a scalar: it has no axis of samples", expected: "[samples, ...]")
    }
    self.init(array.elementType, array.dimensions, .array(array))
  }

  private init(_ elementType: ElementType, _ dimensions: [Int], _ storage: Storage) {
    (self.elementType, self.dimensions, self.storage) = (elementType, dimensions, storage)
  }

  /// Opens a file. What is in Fortran order or big-endian is read whole.
  init(path: String) throws(ApusError) {
    do throws(ApusError) {
      let file = try FileBytes(path: path)
      let header = try NpyHeader(reading: file)
      guard !header.isFortranOrder, !header.type.isBigEndian, header.type.elementType != .bool, !header.dimensions.isEmpty else {
        try self.init(try NpyArray(path: path))
        return
      }
      guard let count = elementCount(header.dimensions), let bytes = header.type.elementType.byteCount(of: count),
        UInt64(bytes) == file.byteCount - header.byteCount
      else {
        throw ApusError(
          .truncated, "the array's bytes do not fit its shape and type",
          expected: header.type.elementType.name.text + " " + Shape(header.dimensions).text(symbols: []),
          actual: "\(file.byteCount - header.byteCount) bytes")
      }
      self.init(header.type.elementType, header.dimensions, .file(file, offset: header.byteCount))
    } catch { throw error.inFile(path) }
  }

  func read(_ range: Range<Int>) throws(ApusError) -> NpyArray {
    let rowBytes = dimensions.dropFirst().reduce(elementType.bitWidth / 8, *)
    let shape = [range.count] + dimensions.dropFirst()
    switch storage {
    case .array(let array):
      return NpyArray(
        elementType: elementType, dimensions: shape,
        bytes: Array(array.bytes[range.lowerBound * rowBytes..<range.upperBound * rowBytes]))
    case .file(let file, let offset):
      let bytes = try file.read(at: offset + UInt64(range.lowerBound * rowBytes), count: range.count * rowBytes)
      return NpyArray(elementType: elementType, dimensions: shape, bytes: bytes)
    }
  }
}
