import ApusGraph

/// The bytes of inline tensors at fixed, aligned places.
final class InlineTensors {
  private let buffer: BulkBuffer
  /// Place and size of each inline tensor; nil for others.
  private let places: [Place?]

  private struct Place {
    var start: Int
    var count: Int
  }

  convenience init(_ tensors: [ConstantTensor], memory: BulkMemory) throws(ApusError) {
    var places: [Place?] = []
    var end = 0
    for tensor in tensors {
      guard case .inline(let bytes) = tensor.storage else {
        places.append(nil)
        continue
      }
      places.append(Place(start: end, count: bytes.count))
      let (next, overflow) = end.addingReportingOverflow((bytes.count + 63) & ~63)
      guard !overflow else { throw ApusError(.limitExceeded, "inline tensors larger than memory can be") }
      end = next
    }
    let buffer = try memory.allocate(byteCount: end, purpose: "small tensors")
    for (index, tensor) in tensors.enumerated() {
      guard case .inline(let bytes) = tensor.storage, let place = places[index], place.count > 0 else { continue }
      UnsafeMutableRawBufferPointer(rebasing: buffer.mutableBytes[place.start..<place.start + place.count]).copyBytes(from: bytes)
    }
    self.init(buffer: buffer, places: places)
  }

  private init(buffer: BulkBuffer, places: [Place?]) {
    self.buffer = buffer
    self.places = places
  }

  /// nil for a tensor that is not inline.
  func bytes(_ index: Int) -> UnsafeRawBufferPointer? {
    guard let place = places[index] else { return nil }
    return UnsafeRawBufferPointer(start: buffer.pointer + place.start, count: place.count)
  }
}
