import ApusConvert
import ApusGraph
import Crypto
import Testing

@Suite struct SampleSourceTests {
  private func input(_ shape: [Int?], _ type: ElementType = .float32, name: Name = "x") -> (name: Name, type: ValueType) {
    (name, .tensor(TensorType(type, Shape(shape.map { $0.map { .known($0) } ?? .unknown }))))
  }

  private func idx(_ shape: [Int], _ bytes: [UInt8]) -> [UInt8] {
    [0, 0, 8, UInt8(shape.count)] + shape.flatMap { [0, 0, UInt8($0 >> 8), UInt8($0 & 255)] } + bytes
  }

  private func floats(_ array: NpyArray) -> [Float] {
    array.bytes.withUnsafeBytes { bytes in
      stride(from: 0, to: bytes.count, by: 4).map { bytes.loadUnaligned(fromByteOffset: $0, as: Float.self) }
    }
  }

  private func npy(_ values: [Float], _ shape: [Int]) throws -> [UInt8] {
    try NpyArray(elementType: .float32, dimensions: shape, bytes: values.withUnsafeBytes { Array($0) }).serialized()
  }

  /// A ZIP archive of stored entries.
  private func archive(_ entries: [(name: String, bytes: [UInt8])]) -> [UInt8] {
    func number(_ value: Int, _ width: Int) -> [UInt8] { (0..<width).map { UInt8(value >> (8 * $0) & 255) } }
    var (file, directory): ([UInt8], [UInt8]) = ([], [])
    for (name, bytes) in entries {
      let name = Array((name + ".npy").utf8)
      let sizes = number(0, 4) + number(bytes.count, 4) + number(bytes.count, 4) + number(name.count, 2) + number(0, 2)
      directory += number(0x0201_4b50, 4) + number(20, 2) + number(20, 2) + number(0, 8) + sizes + number(0, 10)
      directory += number(file.count, 4) + name
      file += number(0x0403_4b50, 4) + number(20, 2) + number(0, 8) + sizes + name + bytes
    }
    let end = number(0x0605_4b50, 4) + number(0, 4) + number(entries.count, 2) + number(entries.count, 2)
    return file + directory + end + number(directory.count, 4) + number(file.count, 4) + number(0, 2)
  }

  private func error(_ body: () throws -> Void) -> ApusError? {
    do { try body() } catch { return error as? ApusError }
    return nil
  }

  @Test func idxImagesComeInBatchesWithTheLabelsBesideThem() throws {
    let scratch = try Scratch()
    try scratch.write(idx([3, 1, 2], [0, 51, 102, 153, 204, 255]), "t-images-idx3-ubyte")
    try scratch.write(idx([3], [2, 0, 1]), "t-labels-idx1-ubyte")
    let path = scratch.file("t-images-idx3-ubyte")
    let source = try SampleSource(path, inputs: [input([nil, 1, 1, 2])])
    #expect(source.count == 3)
    #expect(source.labels == [2, 0, 1])
    let batch = try source.batch(from: 1, atMost: 8)
    #expect(batch.range == 1..<3)
    #expect(batch.inputs[0].name == "x")
    #expect(batch.inputs[0].value.dimensions == [2, 1, 1, 2])
    #expect(floats(batch.inputs[0].value) == [102, 153, 204, 255].map { Float($0) / 255 })
    #expect(try source.hash() == Array(SHA256.hash(data: try scratch.read("t-images-idx3-ubyte"))))
    // Flat, channels last, bytes as they are, and less of it.
    #expect(try SampleSource(path, inputs: [input([nil, 2])]).batch(from: 0, atMost: 1).inputs[0].value.dimensions == [1, 2])
    let last = try SampleSource(path, inputs: [input([nil, 1, 2, 1])]).batch(from: 0, atMost: 3).inputs[0].value
    #expect(last.dimensions == [3, 1, 2, 1])
    var options = SampleOptions()
    options.limit = 2
    let bytes = try SampleSource(path, inputs: [input([nil, 1, 1, 2], .uint8)], options: options)
    #expect(bytes.count == 2)
    #expect(bytes.labels == [2, 0])
    #expect(try bytes.batch(from: 0, atMost: 5).inputs[0].value.bytes == [0, 51, 102, 153])
  }

  @Test func aFixedBatchIsFilledWithTheLastSample() throws {
    let scratch = try Scratch()
    try scratch.write(try npy([1, 2, 3], [3, 1]), "a.npy")
    let source = try SampleSource(scratch.file("a.npy"), inputs: [input([2, 1])])
    #expect(source.fixedBatch == 2)
    var ranges: [Range<Int>] = []
    var values: [[Float]] = []
    try source.forEachBatch(of: 100) { (batch) throws(ApusError) in
      ranges.append(batch.range)
      values.append(floats(batch.inputs[0].value))
    }
    #expect(ranges == [0..<2, 2..<3])
    #expect(values == [[1, 2], [3, 3]])
  }

  @Test func numbersAreScaledAndNormalizedByChannel() throws {
    let scratch = try Scratch()
    // Two pixels of three channels.
    try scratch.write(Array("P6\n# made by hand\n2 1\n255\n".utf8) + [10, 20, 30, 40, 50, 60], "i.ppm")
    try makeDirectory(scratch.file("images"))
    try scratch.write(try scratch.read("i.ppm"), "images/i.ppm")
    var options = SampleOptions()
    options.scale = 0.5
    options.mean = [1, 2, 3]
    options.standardDeviation = [2, 4, 8]
    let expected: [Float] = [2, 9.5, 2, 5.75, 1.5, 3.375]
    let planes = try SampleSource(scratch.file("images"), inputs: [input([1, 3, 1, 2])], options: options)
    #expect(floats(try planes.batch(from: 0, atMost: 1).inputs[0].value) == expected)
    let pixels = try SampleSource(scratch.file("images"), inputs: [input([1, 1, 2, 3])], options: options)
    #expect(floats(try pixels.batch(from: 0, atMost: 1).inputs[0].value) == [2, 2, 1.5, 9.5, 5.75, 3.375])
    // Arrays have the input's order of axes.
    try scratch.write(try npy([10, 40, 20, 50, 30, 60], [1, 3, 1, 2]), "a.npy")
    let array = try SampleSource(scratch.file("a.npy"), inputs: [input([nil, 3, 1, 2])], options: options)
    #expect(floats(try array.batch(from: 0, atMost: 1).inputs[0].value) == expected)
    options.mean = [1, 2]
    let wrong = try SampleSource(scratch.file("a.npy"), inputs: [input([nil, 3, 1, 2])], options: options)
    #expect(error { _ = try wrong.batch(from: 0, atMost: 1) }?.status == .invalidArgument)
  }

  @Test func foldersAreClasses() throws {
    let scratch = try Scratch()
    for (folder, value) in [("data/2", 7), ("data/10", 9)] as [(String, UInt8)] {
      try makeDirectory(scratch.file(folder))
      for name in ["a", "b"] { try scratch.write(Array("P5 1 1 15 ".utf8) + [value], "\(folder)/\(name).pgm") }
    }
    let source = try SampleSource(scratch.file("data"), inputs: [input([nil, 1, 1, 1], .uint8)])
    #expect(source.classNames == ["2", "10"])
    #expect(source.labels == [0, 0, 1, 1])
    #expect(try source.batch(from: 0, atMost: 4).inputs[0].value.bytes == [119, 119, 153, 153])
    try scratch.write([1, 2, 3], "data/10/c.gif")
    let refused = error { _ = try SampleSource(scratch.file("data"), inputs: [input([nil, 1, 1, 1])]) }
    #expect(refused?.status == .unsupportedFeature)
    #expect(refused?.file == scratch.file("data/10/c.gif"))
  }

  @Test func filesOfOtherShapesBeginABatchOfTheirOwn() throws {
    let scratch = try Scratch()
    try makeDirectory(scratch.file("data"))
    try scratch.write(try npy([1, 2], [2]), "data/1.npy")
    try scratch.write(try npy([3, 4], [1, 2]), "data/2.npy")
    try scratch.write(try npy([5, 6, 7], [3]), "data/10.npy")
    let source = try SampleSource(scratch.file("data"), inputs: [input([nil, nil])])
    #expect(source.count == 3)
    var batches: [[Float]] = []
    try source.forEachBatch(of: 8) { (batch) throws(ApusError) in batches.append(floats(batch.inputs[0].value)) }
    #expect(batches == [[1, 2, 3, 4], [5, 6, 7]])
  }

  @Test func archivesHaveArraysByName() throws {
    let scratch = try Scratch()
    let archive = archive([
      (
        "tokens",
        try NpyArray(elementType: .int32, dimensions: [2, 2], bytes: [1, 0, 0, 0, 2, 0, 0, 0, 3, 0, 0, 0, 4, 0, 0, 0])
          .serialized()
      ),
      ("mask", try NpyArray(elementType: .int64, dimensions: [2], bytes: [1] + [UInt8](repeating: 0, count: 15)).serialized()),
      ("y", try NpyArray(elementType: .uint8, dimensions: [2], bytes: [1, 0]).serialized()),
    ])
    try scratch.write(archive, "d.npz")
    let source = try SampleSource(
      scratch.file("d.npz"), inputs: [input([nil, 2], .int64, name: "tokens"), input([nil, 1], .bool, name: "mask")])
    #expect(source.labels == [1, 0])
    let batch = try source.batch(from: 1, atMost: 4)
    #expect(batch.inputs.map(\.name) == ["tokens", "mask"])
    #expect(batch.inputs[0].value.elementType.integers(batch.inputs[0].value.bytes) == [3, 4])
    #expect(batch.inputs[1].value == NpyArray(elementType: .bool, dimensions: [1, 1], bytes: [0]))
    let missing = error {
      _ = try SampleSource(scratch.file("d.npz"), inputs: [input([nil, 2]), input([nil, 1], name: "mask")])
    }
    #expect(missing?.status == .unknownName)
    #expect(missing?.tensorName == "x")
  }

  @Test func badDataIsNamed() throws {
    let scratch = try Scratch()
    try scratch.write(try npy([1, 2, 3, .nan], [2, 2]), "nan.npy")
    try scratch.write(try npy([], [0, 2]), "empty.npy")
    try scratch.write(try npy([5, 5, 5, 5], [2, 2]), "constant.npy")
    try scratch.write(idx([1, 2, 2], [1, 2, 3, 4]), "images")
    try scratch.write(Array("0\n1\n".utf8), "labels.txt")
    let nan = error {
      _ = try SampleSource(scratch.file("nan.npy"), inputs: [input([nil, 2])]).batch(from: 0, atMost: 2)
    }
    #expect(nan?.status == .valueOutOfRange)
    #expect(nan?.file == scratch.file("nan.npy"))
    #expect(nan?.tensorName == "x")
    #expect(nan?.message.contains("sample 1") == true)
    #expect(error { _ = try SampleSource(scratch.file("empty.npy"), inputs: [input([nil, 2])]) }?.status == .invalidArgument)
    let constant = try SampleSource(scratch.file("constant.npy"), inputs: [input([nil, 2])])
    _ = try constant.batch(from: 0, atMost: 2)
    let same = error { try constant.checkVariation() }
    #expect(same?.status == .valueOutOfRange)
    #expect(same?.tensorName == "x")
    let size = error { _ = try SampleSource(scratch.file("images"), inputs: [input([nil, 1, 3, 3])]).batch(from: 0, atMost: 1) }
    #expect(size?.status == .shapeMismatch)
    #expect(size?.actual.contains("2 x 2") == true)
    #expect(size?.file == scratch.file("images"))
    let shape = error { _ = try SampleSource(scratch.file("nan.npy"), inputs: [input([nil, 3])]).batch(from: 0, atMost: 1) }
    #expect(shape?.status == .shapeMismatch)
    let type = error {
      _ = try SampleSource(scratch.file("nan.npy"), inputs: [input([nil, 2], .int64)]).batch(from: 0, atMost: 1)
    }
    #expect(type?.status == .typeMismatch)
    var options = SampleOptions()
    options.labels = scratch.file("labels.txt")
    #expect(
      error { _ = try SampleSource(scratch.file("images"), inputs: [input([nil, 4])], options: options) }?.status
        == .shapeMismatch)
    #expect(
      error { _ = try SampleSource(scratch.file("nothing"), inputs: [input([nil, 4])]) }?.status == .fileNotFound)
    #expect(
      error { _ = try SampleSource(scratch.file("images"), inputs: [input([2, 4]), input([3, 4], name: "y")]) }?.status
        == .unsupported)
  }

  @Test func cutImagesAreRefused() throws {
    let scratch = try Scratch()
    let image = Array("P5\n2 2\n255\n".utf8) + [1, 2, 3, 4]
    try makeDirectory(scratch.file("data"))
    for length in 0..<image.count {
      try scratch.write(Array(image[..<length]), "data/i.pgm")
      let source = try SampleSource(scratch.file("data"), inputs: [input([nil, 1, 2, 2])])
      #expect(error { _ = try source.batch(from: 0, atMost: 1) } != nil, "\(length) bytes")
    }
  }
}
