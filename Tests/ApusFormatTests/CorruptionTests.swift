import ApusFormat
import ApusFormatWriter
import ApusGraph
import CApusSchemaWriter
import Foundation
import Testing

@Suite struct CorruptionTests {
  /// Every kind of part, small: sections, a raw and a compressed segment of the graph, one of the metadata.
  static func parts() throws -> (bytes: [UInt8], text: String) {
    var definition = smallModel()
    var generator = Generator(seed: 5)
    definition.tensors.append(
      ConstantTensor(name: "noise", elementType: .uint8, dimensions: [300], storage: .inline(generator.bytes(300))))
    definition.tensors.append(
      ConstantTensor(name: "floats", elementType: .float32, dimensions: [100], storage: .inline(quarters(100))))
    definition.metadata.testVectors[0].inputs[0].tensor.dimensions = [30, 3]
    definition.metadata.testVectors[0].inputs[0].tensor.storage = .inline(quarters(90))
    var options = WriterOptions()
    options.inlineBytes = 64
    return (try ModelWriter(options: options).encode(definition), try text(of: definition))
  }

  @Test func everyFlippedByteIsNoticedOrChangesNothing() throws {
    let (good, expected) = try Self.parts()
    for index in good.indices {
      for mask in [UInt8(0x01), 0x80, 0xFF] {
        var bytes = good
        bytes[index] ^= mask
        do throws(ApusError) {
          let file = try openWhole(bytes)
          #expect(try! text(of: file.definition, file: file) == expected, "byte \(index) ^ \(mask)")
        } catch {
          #expect(!error.message.isEmpty)
        }
      }
    }
  }

  /// Nothing of a file is outside of all checks.
  @Test func everyFlippedByteIsNoticed() throws {
    let (good, _) = try Self.parts()
    for index in good.indices {
      var bytes = good
      bytes[index] ^= 0x10
      #expect(status(bytes) != nil, "byte \(index)")
    }
  }

  @Test func everyTruncationAndAddedBytesAreNoticed() throws {
    let (good, _) = try Self.parts()
    for count in 0..<good.count {
      let cut = Array(good[0..<count])
      let found = status(cut)
      #expect(found == .truncated || found == .notApusFile, "\(count) bytes: \(String(describing: found))")
    }
    #expect(status(good + [0]) == .malformed)
  }

  /// Thousands of changes to try; APUS_MUTATIONS in the environment asks for more.
  static let blocks = max(1, (ProcessInfo.processInfo.environment["APUS_MUTATIONS"].flatMap { UInt64($0) } ?? 10_000) / 1000)

  /// With right checksums a change reaches the verifier. Whatever it accepts, FlatBuffers' own verifier accepts too.
  @Test(arguments: 0..<blocks) func sealedMutationsNeverCrash(block: UInt64) throws {
    let accepted = try mutateSealed(seeds: block * 1000..<(block + 1) * 1000)
    // Neither all refused for something else first, nor all accepted.
    #expect((1..<1000).contains(accepted))
  }
}

/// Changes a part of a small file for each seed, seals the checksums again, and opens the file. Returns how many opened.
///
/// - Throws: where the library's verifier refuses a section that this one accepts.
func mutateSealed(seeds: Range<UInt64>) throws -> Int {
  var models = RandomModels(seed: 3)
  var options = WriterOptions()
  options.inlineBytes = 100
  let goodParts = try [
    ContainerParts(try CorruptionTests.parts().bytes),
    ContainerParts(try ModelWriter(options: options).encode(models.model(largest: 2000))),
  ]
  var limits = Limits()
  limits.decompressedBytes = 64 << 20
  var accepted = 0
  for seed in seeds {
    var mutation = Mutation(seed: seed)
    var parts = goodParts[mutation.below(2)]
    let bytes: [UInt8]
    let what = mutation.below(8)
    switch what {
    case 0:
      var table = parts.table
      mutation.mutate(&table)
      bytes = parts.sealed(table: table)
    case 1:
      let index = mutation.below(parts.segments.count)
      mutation.mutate(&parts.segments[index])
      bytes = parts.sealed()
    case 2, 3:
      mutation.mutate(&parts.metadata)
      bytes = parts.sealed()
    case 4:
      var file = parts.sealed()
      var header = Array(file[8..<120])
      mutation.mutate(&header)
      file.replaceSubrange(8..<120, with: header)
      bytes = resealHeader(file)
    default:
      mutation.mutate(&parts.graph)
      bytes = parts.sealed()
    }
    do throws(ApusError) {
      _ = try openWhole(bytes, limits: limits)
      accepted += 1
      #expect(verifies(parts.graph, apusw_verify_model), "seed \(seed): the graph section")
      #expect(verifies(parts.metadata, apusw_verify_metadata), "seed \(seed): the metadata section")
    } catch {
      #expect(!error.message.isEmpty)
    }
  }
  return accepted
}
