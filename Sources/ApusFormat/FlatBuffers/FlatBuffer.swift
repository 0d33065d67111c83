import ApusGraph

/// A FlatBuffer in private memory, read with every access checked: alignment, bounds, vtables, strings' terminators.
///
/// Each object is charged to a budget each time that it is reached, so that objects that are shared, or that overlap, can blow
/// up neither the work nor the result: tables and vectors together to the size of the buffer (whoever builds them without
/// sharing stays below), strings, which builders do share, to `stringSharing` times that size.
package final class FlatBuffer {
  /// How often, on average, the bytes of a buffer may be reached as strings.
  package static let stringSharing = 4

  /// "graph section" or "metadata section", for messages.
  let section: StaticString
  private let memory: BulkBuffer
  private let byteCount: Int
  private var objectBudget: Int
  private var stringBudget: Int

  /// - Parameter memory: the whole buffer, aligned to 16.
  package init(_ memory: BulkBuffer, section: StaticString) {
    self.section = section
    byteCount = memory.byteCount
    self.memory = memory
    objectBudget = byteCount
    let (product, overflow) = byteCount.multipliedReportingOverflow(by: Self.stringSharing)
    stringBudget = overflow ? .max : product
  }

  private var bytes: UnsafeRawBufferPointer { memory.bytes }

  /// The bytes as they stand in the buffer; valid while it lives.
  package func withBytes<Result>(_ body: (UnsafeRawBufferPointer) throws(ApusError) -> Result) throws(ApusError) -> Result {
    try body(bytes)
  }

  // MARK: The two ways to the memory

  /// The integer at `position`, a multiple of its size.
  func load<T: FixedWidthInteger & BitwiseCopyable>(_ position: Int, as type: T.Type) throws(ApusError) -> T {
    let size = MemoryLayout<T>.size
    guard position >= 0, position <= byteCount - size, position % size == 0 else {
      throw malformed("an object lies outside of the buffer or is not aligned", at: position)
    }
    let span = RawSpan(_unsafeBytes: bytes)
    return T(littleEndian: span.unsafeLoadUnaligned(fromByteOffset: position, as: T.self))
  }

  /// A copy of the bytes of a vector that has been checked.
  func copy(_ vector: Vector) throws(ApusError) -> [UInt8] {
    guard vector.start >= 0, vector.count >= 0, vector.start <= byteCount, vector.count <= byteCount - vector.start else {
      throw malformed("a vector lies outside of the buffer", at: vector.start)
    }
    return [UInt8](unsafeUninitializedCapacity: vector.count) { target, initialized in
      if vector.count > 0 {
        UnsafeMutableRawBufferPointer(target).copyMemory(
          from: UnsafeRawBufferPointer(rebasing: bytes[vector.start..<vector.start + vector.count]))
      }
      initialized = vector.count
    }
  }

  // MARK: Objects

  /// A table whose vtable has been checked.
  struct Table {
    let position: Int
    fileprivate let size: Int
    fileprivate let vtable: Int
    fileprivate let vtableSize: Int
  }

  /// A vector that lies in the buffer; `count` is in elements, `start` the place of the first.
  struct Vector {
    let start: Int
    let count: Int
  }

  /// The root table of a buffer with this identifier.
  func root(identifier: StaticString) throws(ApusError) -> Table {
    guard byteCount >= 8 else { throw malformed("too short for a FlatBuffer", at: 0) }
    for index in 0..<4 {
      guard bytes[4 + index] == identifier.utf8Start[index] else {
        throw malformed("another FlatBuffer identifier", at: 4, expected: identifier.text)
      }
    }
    return try table(at: try target(of: 0))
  }

  /// The place that the offset at `position` points to.
  private func target(of position: Int) throws(ApusError) -> Int {
    let offset = try load(position, as: UInt32.self)
    let (target, overflow) = position.addingReportingOverflow(Int(offset))
    guard offset >= 4, !overflow, target < byteCount else {
      throw malformed("an offset points outside of the buffer", at: position, actual: "\(offset)")
    }
    return target
  }

  private func charge(_ size: Int, at position: Int) throws(ApusError) {
    guard size <= objectBudget else { throw malformed("tables or vectors are shared", at: position) }
    objectBudget -= size
  }

  private func table(at position: Int) throws(ApusError) -> Table {
    let offset = try load(position, as: Int32.self)
    let vtable = position - Int(offset)
    let vtableSize = Int(try load(vtable, as: UInt16.self))
    let size = Int(try load(vtable + 2, as: UInt16.self))
    guard vtableSize >= 4, vtableSize % 2 == 0, vtableSize <= byteCount - vtable else {
      throw malformed("a vtable's size is wrong", at: vtable, actual: "\(vtableSize)")
    }
    guard size >= 4, size <= byteCount - position else {
      throw malformed("a table's size is wrong", at: position, actual: "\(size)")
    }
    try charge(size, at: position)
    return Table(position: position, size: size, vtable: vtable, vtableSize: vtableSize)
  }

  /// The place of a table's field of `size` bytes; nil where the table leaves it out.
  private func field(_ table: Table, _ index: Int, size: Int) throws(ApusError) -> Int? {
    let entry = 4 + 2 * index
    guard entry < table.vtableSize else { return nil }
    let offset = Int(try load(table.vtable + entry, as: UInt16.self))
    if offset == 0 { return nil }
    guard offset >= 4, offset <= table.size - size else {
      throw malformed("a field lies outside of its table", at: table.position, actual: "\(offset)")
    }
    return table.position + offset
  }

  /// The place of an inline struct of `size` bytes; nil where the table leaves it out.
  func structure(_ table: Table, _ index: Int, size: Int) throws(ApusError) -> Int? {
    try field(table, index, size: size)
  }

  func integer<T: FixedWidthInteger & BitwiseCopyable>(_ table: Table, _ index: Int, default value: T) throws(ApusError) -> T {
    guard let position = try field(table, index, size: MemoryLayout<T>.size) else { return value }
    return try load(position, as: T.self)
  }

  func optionalInteger<T: FixedWidthInteger & BitwiseCopyable>(
    _ table: Table, _ index: Int, as type: T.Type
  ) throws(ApusError) -> T? {
    guard let position = try field(table, index, size: MemoryLayout<T>.size) else { return nil }
    return try load(position, as: T.self)
  }

  func float(_ table: Table, _ index: Int) throws(ApusError) -> Float {
    Float(bitPattern: try integer(table, index, default: UInt32(0)))
  }

  func table(_ parent: Table, _ index: Int) throws(ApusError) -> Table? {
    guard let position = try field(parent, index, size: 4) else { return nil }
    return try table(at: try target(of: position))
  }

  func requiredTable(_ parent: Table, _ index: Int) throws(ApusError) -> Table {
    guard let child = try table(parent, index) else { throw missing(parent) }
    return child
  }

  /// A vector of elements of `elementSize` bytes, aligned to `alignment`; nil where the table leaves it out.
  func vector(
    _ table: Table, _ index: Int, elementSize: Int, alignment: Int
  ) throws(ApusError) -> Vector? {
    guard let position = try field(table, index, size: 4) else { return nil }
    let target = try target(of: position)
    let vector = try vector(at: target, elementSize: elementSize, alignment: alignment, terminator: 0)
    try charge(4 + vector.count * elementSize, at: target)
    return vector
  }

  private func vector(
    at position: Int, elementSize: Int, alignment: Int, terminator: Int
  ) throws(ApusError) -> Vector {
    let count = Untrusted(try load(position, as: UInt32.self))
    let start = position + 4
    let room = byteCount - start - terminator
    guard room >= 0, let elements = count.count(atMost: room / elementSize) else {
      throw malformed("a vector lies outside of the buffer", at: position, actual: count.text + " elements")
    }
    // Builders do not align a vector without elements.
    guard elements == 0 || start % alignment == 0 else { throw malformed("a vector is not aligned", at: position) }
    return Vector(start: start, count: elements)
  }

  /// Table number `index` of a vector of tables.
  func table(_ vector: Vector, _ index: Int) throws(ApusError) -> Table {
    try table(at: try target(of: vector.start + 4 * index))
  }

  /// String number `index` of a vector of strings.
  func string(_ vector: Vector, _ index: Int) throws(ApusError) -> Vector {
    try string(at: try target(of: vector.start + 4 * index))
  }

  func string(_ table: Table, _ index: Int) throws(ApusError) -> Vector? {
    guard let position = try field(table, index, size: 4) else { return nil }
    return try string(at: try target(of: position))
  }

  private func string(at position: Int) throws(ApusError) -> Vector {
    let vector = try vector(at: position, elementSize: 1, alignment: 1, terminator: 1)
    guard try load(vector.start + vector.count, as: UInt8.self) == 0 else {
      throw malformed("a string does not end in zero", at: position)
    }
    guard vector.count + 5 <= stringBudget else {
      throw malformed("strings are shared too often", at: position, expected: "\(Self.stringSharing) times at most")
    }
    stringBudget -= vector.count + 5
    return vector
  }

  // MARK: Errors

  func malformed(
    _ message: StaticString, at position: Int, expected: String = "", actual: String = ""
  ) -> ApusError {
    ApusError(
      .malformed, "raw " + section.text + ": " + message.text, expected: expected, actual: actual,
      fileOffset: UInt64(exactly: position))
  }

  func missing(_ table: Table) -> ApusError { malformed("a required field is missing", at: table.position) }
}
