import ApusGraph
import Foundation
import Testing

@testable import ApusConvert

@Suite struct ValueFileTests {
  private let tensor = ValueType.tensor(TensorType(.float32, nil))

  private func array(_ type: ElementType, _ dimensions: [Int], _ bytes: [UInt8]) -> StoredValue {
    .tensor(NpyArray(elementType: type, dimensions: dimensions, bytes: bytes))
  }

  @Test func valuesOfEveryKindComeBack() throws {
    let scratch = try Scratch()
    let path = scratch.file("value.pb")
    let strings = array(.string, [2], try encodedStrings([Array("one".utf8), []], count: 2))
    let matrix = array(.int16, [1, 2], [1, 0, 255, 255])
    let cases: [(StoredValue, ValueType)] = [
      (matrix, tensor), (strings, tensor), (array(.int4, [3], [0x21, 0x03]), tensor), (array(.float32, [0, 2], []), tensor),
      (array(.bool, [], [1]), tensor), (.sequence([matrix, strings], tensor), .sequence(tensor)),
      (.sequence([], tensor), .sequence(tensor)), (matrix, .optional(tensor)), (.absent(tensor), .optional(tensor)),
      (.sequence([.sequence([matrix], tensor)], .sequence(tensor)), .sequence(.sequence(tensor))),
      (.sequence([matrix], tensor), .optional(.sequence(tensor))),
    ]
    for (value, type) in cases {
      try ValueFile.write(value, as: type, to: path)
      #expect(try ValueFile.read(path, as: type) == value, "\(type)")
    }
  }

  @Test func wrongFilesAreNamed() throws {
    let scratch = try Scratch()
    let path = scratch.file("value.pb")
    try scratch.write([0xff, 0xff, 0xff], "value.pb")
    let error = #expect(throws: ApusError.self) { _ = try ValueFile.read(path, as: tensor) }
    #expect(error?.file == path)
    #expect(throws: ApusError.self) { _ = try ValueFile.read(scratch.file("value.txt"), as: tensor) }
    #expect(throws: ApusError.self) { _ = try ValueFile.read(scratch.file("nothing.pb"), as: tensor) }
  }

  /// Archives that NumPy 2 wrote: np.savez(a=np.arange(3, dtype=np.int16), b=np.float32(1.5)), the same with savez_compressed.
  @Test(arguments: [NpzSamples.stored, NpzSamples.deflated])
  func numPysArchivesAreRead(_ base64: String) throws {
    let scratch = try Scratch()
    let path = scratch.file("arrays.npz")
    let data = try #require(Data(base64Encoded: base64))
    try scratch.write(Array(data), "arrays.npz")
    let arrays = try NpzArchive(path: path).arrays
    #expect(arrays.map(\.name) == ["a", "b"])
    #expect(arrays[0].array == NpyArray(elementType: .int16, dimensions: [3], bytes: [0, 0, 1, 0, 2, 0]))
    #expect(arrays[1].array == NpyArray(elementType: .float32, dimensions: [], bytes: [0, 0, 0xc0, 0x3f]))

    // No cut and no flipped byte of the directory may crash or give other arrays without an error.
    for count in stride(from: 0, to: data.count, by: 7) {
      try scratch.write(Array(data.prefix(count)), "arrays.npz")
      #expect(throws: ApusError.self, "\(count) bytes") { _ = try NpzArchive(path: path) }
    }
    for position in (data.count - 160)..<data.count {
      var changed = data
      changed[position] ^= 0xff
      try scratch.write(Array(changed), "arrays.npz")
      _ = try? NpzArchive(path: path)
    }
  }

  @Test func dataSetsAreFoundInEveryForm() throws {
    let scratch = try Scratch()
    let ports = [(name: Name("x"), type: tensor)]
    let value = array(.float32, [1], [0, 0, 0, 0])
    #expect(throws: ApusError.self) { _ = try DataSet.read(scratch.path, inputs: ports, outputs: ports) }
    for folder in ["test_data_set_10", "test_data_set_2"] {
      try makeDirectory(scratch.file(folder))
      try ValueFile.write(value, as: tensor, to: scratch.file(folder + "/input_0.pb"))
      try NpyArray(elementType: .float32, dimensions: [1], bytes: [0, 0, 128, 63]).write(
        path: scratch.file(folder + "/output_0.npy"))
    }
    let sets = try DataSet.read(scratch.path, inputs: ports, outputs: ports)
    #expect(sets.map(\.name) == ["test_data_set_2", "test_data_set_10"])
    #expect(sets[0].inputs[0].value == value)
    #expect(sets[0].outputs[0].value.array?.bytes == [0, 0, 128, 63])
    let one = try DataSet.read(scratch.file("test_data_set_2"), inputs: ports, outputs: ports)
    #expect(one.count == 1)
  }
}
