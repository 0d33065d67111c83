import ApusGraph

/// An opened and verified model: its definition, and the bytes of its tensors, decoded when they are first wanted.
///
/// Safe from any thread.
public final class ModelFile: @unchecked Sendable {
  /// A part of the file in front of the segments, for listings.
  public struct Section: Sendable {
    public var name: StaticString
    public var offset: UInt64
    public var storedSize: UInt64
    public var rawSize: UInt64
    /// XXH64 of the stored bytes.
    public var checksum: UInt64
  }

  /// Everything but the bytes of segments. Tensors of a file keep their `.segment` storage.
  public let definition: ModelDefinition
  public let needs: Needs
  /// SHA-256 over the graph section and its segments' decoded bytes, as the file states it (`ModelIdentity` in
  /// ApusFormatWriter checks it); empty for a model made in memory.
  public let modelID: [UInt8]
  /// nil for a model made in memory.
  public let header: FileHeader?
  public let sections: [Section]
  public let segments: [SegmentRecord]
  public let limits: Limits
  public let memory: BulkMemory

  private let lock: Lock
  private let store: SegmentStore?
  private let inline: InlineTensors
  /// The raw graph section, for the model id and for listings; nil for a model made in memory.
  private let graph: FlatBuffer?
  /// Tensors whose elements have been checked.
  private var checkedTensors: [Bool]

  /// What is known of a model before its tensors are touched.
  private struct Contents {
    var definition: ModelDefinition
    var needs: Needs
    var container: ContainerReader?
    var input: Input?
  }

  /// Opens a file: header, sections and segment table are read and verified, segments are not touched yet (a stream is read
  /// to its end).
  ///
  /// - Parameter memory: nil: the system's memory under `limits.memoryBytes`.
  /// - Throws: 3xx and 4xx for the file and its reading, 5xx where the graph is not sound.
  public convenience init(
    _ source: ByteSource, limits: Limits = Limits(), memory: BulkMemory? = nil
  ) throws(ApusError) {
    let bulk = try Self.bulk(memory, limits)
    let input = try Input(source, memory: bulk)
    try self.init(try Self.open(input, limits, bulk), limits, bulk)
  }

  /// A model that is in memory already, all tensors inline; the same checks hold.
  ///
  /// - Throws: 300, 301, 5xx.
  public convenience init(
    definition: ModelDefinition, needs: Needs? = nil, limits: Limits = Limits(), memory: BulkMemory? = nil
  ) throws(ApusError) {
    let bulk = try Self.bulk(memory, limits)
    try definition.checkStructure(limits: limits, segments: [])
    let needs = needs ?? Needs(operators: definition.usedOperators())
    try self.init(Contents(definition: definition, needs: needs), limits, bulk)
  }

  private convenience init(_ contents: Contents, _ limits: Limits, _ memory: BulkMemory) throws(ApusError) {
    let inline = try InlineTensors(contents.definition.tensors, memory: memory)
    self.init(contents, limits, memory, inline, try Lock())
  }

  private init(_ contents: Contents, _ limits: Limits, _ memory: BulkMemory, _ inline: InlineTensors, _ lock: Lock) {
    (definition, needs) = (contents.definition, contents.needs)
    (self.limits, self.memory) = (limits, memory)
    if let container = contents.container, let input = contents.input {
      (header, modelID, segments) = (container.header, container.header.modelID, container.records)
      (graph, sections) = (container.graph, Self.sections(container.header, container.layout))
      store = SegmentStore(
        records: container.records, stored: container.storedSegments, input: input, memory: memory)
    } else {
      (header, modelID, segments, sections, graph, store) = (nil, [], [], [], nil, nil)
    }
    (self.inline, self.lock) = (inline, lock)
    checkedTensors = [Bool](repeating: false, count: contents.definition.tensors.count)
  }

  private static func bulk(_ memory: BulkMemory?, _ limits: Limits) throws(ApusError) -> BulkMemory {
    if let memory { return memory }
    return try BulkMemory(limit: limits.memoryBytes)
  }

  private static func open(_ input: Input, _ limits: Limits, _ memory: BulkMemory) throws(ApusError) -> Contents {
    do throws(ApusError) {
      let container = try ContainerReader(input, limits: limits, memory: memory)
      let reserve = try ObjectReserve.begin(ObjectReserve.bytes(container.header))
      defer { ObjectReserve.end(reserve) }
      var decoder = ModelDecoder(container.graph)
      var (definition, needs) = try decoder.model()
      guard needs.minimumRuntime <= .current else {
        throw ApusError(
          .unsupportedVersion, "the model needs a later release", expected: "at most " + RuntimeVersion.current.text,
          actual: needs.minimumRuntime.text)
      }
      if let metadata = container.metadata { definition.metadata = try MetadataDecoder(metadata).metadata() }
      try definition.checkStructure(limits: limits, segments: container.records)
      return Contents(definition: definition, needs: needs, container: container, input: input)
    } catch { throw error.inFile(input.path) }
  }

  private static func sections(_ header: FileHeader, _ layout: FileLayout) -> [Section] {
    [
      Section(
        name: "graph", offset: layout.graph.offset, storedSize: layout.graph.size, rawSize: UInt64(header.graph.rawSize),
        checksum: header.graph.checksum),
      Section(
        name: "metadata", offset: layout.metadata.offset, storedSize: layout.metadata.size,
        rawSize: UInt64(header.metadata.rawSize), checksum: header.metadata.checksum),
      Section(
        name: "segment table", offset: layout.table.offset, storedSize: layout.table.size, rawSize: layout.table.size,
        checksum: header.tableChecksum),
    ]
  }

  // MARK: Tensors

  /// The bytes of tensor `id`, row-major, at a multiple of 64. They live until `releaseDecoded` or the end of this object.
  ///
  /// The first touch of a segment checks its checksum and decodes it; the first touch of a tensor checks what its type asks
  /// of the bytes (bool is 0 or 1, strings are well-formed). Bytes of mapped and borrowed raw segments are the caller's own:
  /// copy what steers shapes, indices or control flow.
  ///
  /// - Parameter pool: an `apusp_pool` whose threads decode beside the calling one; nil for none.
  /// - Throws: 104 index_out_of_range, 300, 301, 302, 403, 404 checksum_mismatch, 406 decompression, 500 invalid_model.
  package func tensorBytes(_ id: TensorID, on pool: OpaquePointer?) throws(ApusError) -> UnsafeRawBufferPointer {
    let index = Int(id)
    guard index >= 0, index < definition.tensors.count else {
      throw ApusError(.indexOutOfRange, "no such tensor", expected: "below \(definition.tensors.count)", actual: "\(id)")
    }
    let tensor = definition.tensors[index]
    return try lock.withLock { () throws(ApusError) in
      let bytes: UnsafeRawBufferPointer
      if let stored = inline.bytes(index) {
        bytes = stored
      } else {
        bytes = try segmentBytes(tensor, pool)
      }
      if !checkedTensors[index] {
        try tensor.checkElements(bytes)
        checkedTensors[index] = true
      }
      return bytes
    }
  }

  public func tensorBytes(_ id: TensorID) throws(ApusError) -> UnsafeRawBufferPointer { try tensorBytes(id, on: nil) }

  /// Calls `body` with the bytes of any tensor of the definition, those of test vectors included.
  public func withBytes<Result>(
    of tensor: ConstantTensor, _ body: (UnsafeRawBufferPointer) throws(ApusError) -> Result
  ) throws(ApusError) -> Result {
    switch tensor.storage {
    case .inline(let array):
      return try array.withUnsafeBufferPointer { (array) throws(ApusError) in
        let bytes = UnsafeRawBufferPointer(array)
        try tensor.checkElements(bytes)
        return try body(bytes)
      }
    case .segment:
      let bytes = try lock.withLock { () throws(ApusError) in try segmentBytes(tensor, nil) }
      try tensor.checkElements(bytes)
      return try body(bytes)
    }
  }

  private func segmentBytes(
    _ tensor: ConstantTensor, _ pool: OpaquePointer?
  ) throws(ApusError) -> UnsafeRawBufferPointer {
    guard case .segment(let index, let offset, let length) = tensor.storage, let store else {
      throw ApusError(.invalidModel, "a tensor without bytes", tensorName: tensor.name.string)
    }
    do throws(ApusError) {
      let segment = try store.bytes(Int(index), on: pool)
      guard let start = Untrusted(offset).count(atMost: segment.count),
        let count = Untrusted(length).count(atMost: segment.count - start)
      else { throw ApusError(.malformed, "the tensor lies outside of its segment") }
      return UnsafeRawBufferPointer(rebasing: segment[start..<start + count])
    } catch {
      var error = error
      if error.tensorName.utf8.isEmpty { error.tensorName = tensor.name.string }
      throw error
    }
  }

  /// The decoded bytes of segment `index`; see `tensorBytes`.
  public func segmentBytes(_ index: Int) throws(ApusError) -> UnsafeRawBufferPointer {
    guard let store else { throw ApusError(.indexOutOfRange, "a model in memory has no segments") }
    return try lock.withLock { () throws(ApusError) in try store.bytes(index, on: nil) }
  }

  /// Reads, checks and decodes every segment and tensor: what lazy loading leaves to the first touch.
  public func verifyAll() throws(ApusError) {
    for index in 0..<segments.count { _ = try segmentBytes(index) }
    for id in 0..<definition.tensors.count { _ = try tensorBytes(TensorID(id)) }
    for vector in definition.metadata.testVectors {
      for entry in vector.inputs + vector.outputs {
        try withBytes(of: entry.tensor) { (_: UnsafeRawBufferPointer) throws(ApusError) -> Void in }
      }
    }
  }

  /// Whether the bytes of a tensor that has been touched lie in memory of the caller's: a raw segment of a mapped file, or of one
  /// in the caller's memory. They stay for as long as this object.
  package func isLent(_ id: TensorID) throws(ApusError) -> Bool {
    guard case .segment(let index, _, _) = definition.tensors[Int(id)].storage, let store else { return false }
    return try lock.withLock { () throws(ApusError) in store.isLent(Int(index)) }
  }

  /// Hands over the decoded bytes of a tensor that is all of its segment and has been touched; nil for others.
  package func takeBytes(_ id: TensorID) throws(ApusError) -> BulkBuffer? {
    guard case .segment(let index, 0, let length) = definition.tensors[Int(id)].storage, let store,
      length == segments[Int(index)].rawSize
    else { return nil }
    return try lock.withLock { () throws(ApusError) in store.take(Int(index)) }
  }

  /// Calls `body(i, bytes)` with the decoded bytes of `segments[i]` for each i, on any threads of `pool`, several at a time and
  /// in any order; with an empty buffer where `segments[i]` is nil. The bytes live for the call. Nothing that was decoded for it
  /// stays, so that each segment is in memory once, and in the cache where `body` reads it.
  ///
  /// `body` checks elements itself where a tensor's type asks for it.
  /// - Throws: the first error in the order of `segments`.
  package func forEach(
    _ segments: [Int?], on pool: OpaquePointer?, _ body: @escaping (Int, UnsafeRawBufferPointer) throws(ApusError) -> Void
  ) throws(ApusError) {
    try lock.withLock { () throws(ApusError) in
      let largest = SegmentSweep.largestSegment(pool)
      var alone: [Int] = []
      var together: [Int] = []
      for (position, segment) in segments.enumerated() {
        if let segment, store?.scratchBytes(segment, largest: largest) == nil {
          alone.append(position)
        } else {
          together.append(position)
        }
      }
      if let store {
        for position in alone {
          guard let segment = segments[position] else { continue }
          let wasDecoded = store.isDecoded(segment)
          try body(position, try store.bytes(segment, on: pool))
          if !wasDecoded { store.release(segment) }
        }
      }
      try SegmentSweep.run(store, together, segments, on: pool, memory, body)
    }
  }

  /// Gives back the decoded bytes of segments, which the next touch makes again. Pointers to them are no longer valid. A
  /// stream can not be read again: what came from one stays.
  public func releaseDecoded() throws(ApusError) {
    try lock.withLock { () throws(ApusError) -> Void in store?.release() }
  }

  /// Calls `body` with the raw bytes of the graph section.
  public func withRawGraph<Result>(
    _ body: (UnsafeRawBufferPointer) throws(ApusError) -> Result
  ) throws(ApusError) -> Result {
    guard let graph else { throw ApusError(.invalidArgument, "a model in memory has no graph section") }
    return try graph.withBytes(body)
  }
}
