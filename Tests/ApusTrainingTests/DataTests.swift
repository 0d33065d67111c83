import ApusGraph
import Foundation
import Testing

@testable import ApusTraining

@Suite struct DataTests {
  private func header(_ type: UInt8, _ extents: [UInt32]) -> [UInt8] {
    [0, 0, type, UInt8(extents.count)] + extents.flatMap { withUnsafeBytes(of: $0.bigEndian) { Array($0) } }
  }

  private func status(of body: () throws(ApusError) -> Void) -> ApusError.Status? {
    do { try body() } catch { return error.status }
    return nil
  }

  @Test func filesAreReadPackedAndPlain() throws {
    let folder = FileManager.default.temporaryDirectory.appendingPathComponent("apus-data-\(UUID().uuidString)").path
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(atPath: folder) }
    let images: [UInt8] = [0, 51, 102, 153, 204, 255, 0, 1]
    let labels: [UInt8] = [1, 0]
    try Data(header(8, [2, 2, 2]) + images).write(to: URL(fileURLWithPath: folder + "/images"))
    try Data(header(8, [2]) + labels).write(to: URL(fileURLWithPath: folder + "/labels"))
    let data = try ImageDataset(idxImages: folder + "/images", idxLabels: folder + "/labels", classes: 2)
    let batch = try data.batch([1, 0, 1], in: try Context(threads: 1))
    #expect(batch.inputs.shape == [3, 1, 2, 2])
    let pixels: [Float] = [204, 255, 0, 1, 0, 51, 102, 153, 204, 255, 0, 1]
    #expect(batch.inputs.values == pixels.map { $0 / 255 })
    guard case .classes(let classes) = batch.targets else {
      Issue.record("an image has a class")
      return
    }
    #expect(classes == [0, 1, 0])
    #expect(
      status { () throws(ApusError) in
        _ = try ImageDataset(idxImages: folder + "/images", idxLabels: folder + "/labels", classes: 1)
      } == .valueOutOfRange)
    #expect(
      status { () throws(ApusError) in _ = try IDXFile(path: folder + "/nothing", rank: 1) } == .fileNotFound)
    do {
      _ = try IDXFile(path: folder + "/labels", rank: 3)
      Issue.record("a file of labels is no file of images")
    } catch {
      #expect(error.file == folder + "/labels")
    }
  }

  @Test func batchesOutsideTheDataAreRefused() throws {
    let context = try Context(threads: 1)
    let data = try TensorDataset(inputs: try Tensor([1, 2, 3, 4], shape: [2, 2]), classes: [0, 1])
    #expect(try data.batch([1], in: context).inputs.values == [3, 4])
    #expect(status { () throws(ApusError) in _ = try data.batch([2], in: context) } == .indexOutOfRange)
    #expect(status { () throws(ApusError) in _ = try data.batch([-1], in: context) } == .indexOutOfRange)
    #expect(throws: ApusError.self) { try TensorDataset(inputs: try Tensor([1, 2], shape: [2, 1]), classes: [0]) }
    #expect(throws: ApusError.self) { try ImageDataset(pixels: [1, 2, 3], labels: [0], imageShape: [1, 1, 2]) }
  }
}
