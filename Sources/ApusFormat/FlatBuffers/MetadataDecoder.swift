import ApusGraph

/// Makes `Metadata` from the metadata section's FlatBuffer.
struct MetadataDecoder {
  private let buffer: FlatBuffer
  private let tensors: ModelDecoder

  init(_ buffer: FlatBuffer) {
    self.buffer = buffer
    tensors = ModelDecoder(buffer)
  }

  func metadata() throws(ApusError) -> Metadata {
    let root = try buffer.root(identifier: "APUM")
    var metadata = Metadata()
    if let vector = try tables(root, 0) {
      for index in 0..<vector.count {
        let table = try buffer.table(vector, index)
        let entry = Metadata.Entry(key: try buffer.requiredName(table, 0), value: try buffer.requiredText(table, 1))
        if let last = metadata.entries.last, !(last.key < entry.key) {
          throw buffer.malformed("metadata entries are not strictly ascending by key", at: table.position)
        }
        metadata.entries.append(entry)
      }
    }
    if let table = try buffer.table(root, 1) {
      metadata.producer = try buffer.name(table, 0) ?? .empty
      metadata.sourceHash = try hash(table, 1)
      metadata.quantizationMethod = try buffer.name(table, 2) ?? .empty
      metadata.calibrationHash = try hash(table, 3)
    }
    if let vector = try tables(root, 2) {
      for index in 0..<vector.count { metadata.testVectors.append(try testVector(try buffer.table(vector, index))) }
    }
    return metadata
  }

  private func tables(_ table: FlatBuffer.Table, _ index: Int) throws(ApusError) -> FlatBuffer.Vector? {
    try buffer.vector(table, index, elementSize: 4, alignment: 4)
  }

  private func hash(_ table: FlatBuffer.Table, _ index: Int) throws(ApusError) -> [UInt8] {
    guard let vector = try buffer.vector(table, index, elementSize: 1, alignment: 1) else { return [] }
    guard vector.count == 32 else {
      throw buffer.malformed(
        "a SHA-256 of a wrong size", at: vector.start, expected: "32 bytes", actual: "\(vector.count) bytes")
    }
    return try buffer.copy(vector)
  }

  private func testVector(_ table: FlatBuffer.Table) throws(ApusError) -> TestVector {
    TestVector(
      name: try buffer.requiredName(table, 0), inputs: try testTensors(table, 1), outputs: try testTensors(table, 2),
      absoluteTolerance: try buffer.float(table, 3), relativeTolerance: try buffer.float(table, 4))
  }

  private func testTensors(_ table: FlatBuffer.Table, _ index: Int) throws(ApusError) -> [TestVector.Tensor] {
    guard let vector = try tables(table, index) else { return [] }
    var list: [TestVector.Tensor] = []
    for index in 0..<vector.count {
      let child = try buffer.table(vector, index)
      list.append(
        TestVector.Tensor(
          name: try buffer.requiredName(child, 0), tensor: try tensors.tensor(try buffer.requiredTable(child, 1))))
    }
    return list
  }
}
