import ApusFormat
import ApusFormatWriter
import ApusGraph
import CApusSchemaWriter
import Testing

@Suite struct RoundTripTests {
  @Test func smallModelComesBack() throws {
    let needs = Needs(flops: 12, liveBytes: 40, minimumRuntime: RuntimeVersion(0, 1, 0))
    let file = try openWhole(try ModelWriter().encode(smallModel(), needs: needs))
    #expect(file.needs.flops == 12)
    #expect(file.needs.liveBytes == 40)
    #expect(file.needs.minimumRuntime == RuntimeVersion(0, 1, 0))
    #expect(file.needs.operators.map(\.name) == ["Gemm", "Relu"])
    #expect(file.definition.graphs[0].nodes[0].attributes == [Attribute("alpha", .float(1)), Attribute("transB", .int(1))])
    #expect(file.definition.metadata.entries.map(\.key) == ["author", "license"])
    #expect(try Array(file.tensorBytes(1)) == [0, 0, 0, 0, 0, 0, 0x80, 0x3E])
    #expect(try ModelIdentity.compute(file) == file.modelID)
  }

  @Test(arguments: UInt64(1)...40) func randomModelsComeBackWhateverTheCodec(seed: UInt64) throws {
    var models = RandomModels(seed: seed)
    let definition = models.model()
    let expected = try text(of: definition)
    var identities: Set<[UInt8]> = []
    for codec in [WriterOptions.SegmentCodec.automatic, .raw, .zstd, .bytePlanesZstd] {
      var options = WriterOptions()
      options.segmentCodec = codec
      options.chunkLog2 = 14 + UInt8(seed % 4)
      let bytes = try ModelWriter(options: options).encode(definition)
      let file = try openWhole(bytes)
      #expect(try text(of: file.definition, file: file) == expected)
      try ModelIdentity.check(file)
      identities.insert(file.modelID)
      for id in 0..<definition.tensors.count {
        guard case .inline(let wanted) = definition.tensors[id].storage else { continue }
        #expect(try Array(file.tensorBytes(TensorID(id))) == wanted)
        #expect(try UInt(bitPattern: file.tensorBytes(TensorID(id)).baseAddress) % 64 == 0)
      }
    }
    #expect(identities.count == 1, "the model id names the model, not its codecs")
  }

  @Test(arguments: UInt64(1)...20) func sectionsAreWhatTheLibrarysVerifierAccepts(seed: UInt64) throws {
    var models = RandomModels(seed: seed)
    let parts = try ContainerParts(try ModelWriter().encode(models.model(largest: 3000)))
    #expect(verifies(parts.graph, apusw_verify_model))
    #expect(parts.metadata.isEmpty || verifies(parts.metadata, apusw_verify_metadata))
  }

  @Test func definitionInMemoryServesItsTensors() throws {
    let definition = smallModel()
    let file = try ModelFile(definition: definition)
    #expect(file.header == nil)
    #expect(try Array(file.tensorBytes(0)) == quarters(6))
    #expect(file.needs.operators.map(\.name) == ["Gemm", "Relu"])
  }

  @Test func writingAReadModelAgainGivesTheSameBytes() throws {
    var models = RandomModels(seed: 77)
    let bytes = try ModelWriter().encode(models.model())
    let file = try openWhole(bytes)
    #expect(try ModelWriter().encode(file.definition, needs: file.needs, data: file.tensorData) == bytes)
  }
}

/// What FlatBuffers' own verifier says of a copy at an aligned place.
func verifies(_ bytes: [UInt8], _ verify: (UnsafePointer<UInt8>?, Int) -> Int32) -> Bool {
  let copy = UnsafeMutableRawBufferPointer.allocate(byteCount: max(16, bytes.count), alignment: 16)
  defer { copy.deallocate() }
  copy.copyBytes(from: bytes)
  return verify(copy.baseAddress?.assumingMemoryBound(to: UInt8.self), bytes.count) == 1
}
