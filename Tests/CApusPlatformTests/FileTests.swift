import CApusPlatform
import Foundation
import Testing

@Suite struct FileTests {
  let files: FakeFiles
  let content = Data((0..<100_000).map { UInt8(truncatingIfNeeded: $0 &* 7) })

  init() throws {
    files = try FakeFiles()
    try files.write(content, to: "/a/data")
    try files.write(Data(), to: "/a/empty")
  }

  func open(_ path: String) throws -> Int32 {
    var descriptor: Int32 = -1
    let status = apusp_file_open(files.root + path, &descriptor, nil)
    guard status == 0 else { throw PlatformFailure(status: status) }
    return descriptor
  }

  @Test func whatIsNotThereAndWhatIsNoFileAreStatuses() {
    for (path, expected, code) in [
      ("/a/none", APUSP_FILE_NOT_FOUND, ENOENT), ("/a/data/below", APUSP_FILE_NOT_FOUND, ENOTDIR),
      ("/a", APUSP_IO, EISDIR),
    ] as [(String, Int, Int32)] {
      var descriptor: Int32 = 7
      var error: Int32 = 0
      #expect(apusp_file_open(files.root + path, &descriptor, &error) == Int32(expected))
      #expect(descriptor == -1)
      #expect(error == code)
      var text = [CChar](repeating: 1, count: 100)
      apusp_system_error_text(error, &text, text.count)
      #expect(String(cString: strerror(error)) == String(decoding: text.prefix { $0 != 0 }.map(UInt8.init), as: UTF8.self))
    }
  }

  @Test func sizesOfFilesAndOfWhatHasNone() throws {
    let descriptor = try open("/a/data")
    defer { apusp_file_close(descriptor) }
    var size: UInt64 = 0
    #expect(apusp_file_size(descriptor, &size, nil) == 0 && size == 100_000)
    var pipes: [Int32] = [0, 0]
    #expect(pipe(&pipes) == 0)
    defer { for end in pipes { apusp_file_close(end) } }
    #expect(apusp_file_size(pipes[0], &size, nil) == 0 && size == .max)
    var error: Int32 = 0
    #expect(apusp_file_size(-1, &size, &error) == Int32(APUSP_IO) && error == EBADF)
    let directory = Glibc.open(files.root, O_RDONLY)
    defer { apusp_file_close(directory) }
    #expect(apusp_file_size(directory, &size, &error) == Int32(APUSP_IO) && error == EISDIR)
  }

  @Test func readsInOrderAndAtAPlace() throws {
    let descriptor = try open("/a/data")
    defer { apusp_file_close(descriptor) }
    var buffer = [UInt8](repeating: 0, count: 60_000)
    var count = 0
    #expect(apusp_file_read(descriptor, &buffer, 60_000, &count, nil) == 0 && count == 60_000)
    #expect(buffer == [UInt8](content[..<60_000]))
    #expect(apusp_file_read_at(descriptor, &buffer, 500, 99_800, &count, nil) == 0 && count == 200)
    #expect(buffer[..<200] == [UInt8](content[99_800...])[...])
    #expect(apusp_file_read(descriptor, &buffer, 60_000, &count, nil) == 0 && count == 40_000)
    #expect(apusp_file_read(descriptor, &buffer, 60_000, &count, nil) == 0 && count == 0)
    #expect(apusp_file_read_at(descriptor, &buffer, 1, 1 << 40, &count, nil) == 0 && count == 0)
    var error: Int32 = 0
    #expect(apusp_file_read_at(descriptor, &buffer, 1, .max, &count, &error) == Int32(APUSP_IO) && error == EOVERFLOW)
    #expect(apusp_file_read(-1, &buffer, 1, &count, &error) == Int32(APUSP_IO) && error == EBADF)
  }

  @Test func shortReadsFromAPipeAreContinued() throws {
    var pipes: [Int32] = [0, 0]
    #expect(pipe(&pipes) == 0)
    let (reading, writing) = (pipes[0], pipes[1])
    defer { apusp_file_close(reading) }
    let content = content
    Thread.detachNewThread {
      content.withUnsafeBytes { bytes in
        for start in stride(from: 0, to: bytes.count, by: 777) {
          let part = bytes[start..<min(start + 777, bytes.count)]
          _ = write(writing, UnsafeRawBufferPointer(rebasing: part).baseAddress, part.count)
        }
      }
      close(writing)
    }
    var buffer = [UInt8](repeating: 0, count: 200_000)
    var count = 0
    #expect(apusp_file_read(reading, &buffer, buffer.count, &count, nil) == 0)
    #expect(count == 100_000 && Data(buffer[..<count]) == content)
  }

  @Test func mappingOutlivesTheDescriptor() throws {
    let descriptor = try open("/a/data")
    var address: UnsafeRawPointer?
    #expect(apusp_file_map(descriptor, 100_000, &address, nil) == 0)
    apusp_file_close(descriptor)
    let mapped = try #require(address)
    #expect(Data(bytes: mapped, count: 100_000) == content)
    #expect(Int(bitPattern: mapped) % apusp_page_size() == 0)
    apusp_file_unmap(mapped, 100_000)
  }

  /// Pages of the mapping in resident memory, as the system tells them, in KiB.
  private func residentKilobytes(_ address: UnsafeRawPointer) throws -> Int {
    let begin = String(UInt(bitPattern: address), radix: 16)
    let maps = try #require(FileHandle(forReadingAtPath: "/proc/self/smaps"))
    let lines = String(decoding: try #require(try maps.readToEnd()), as: UTF8.self).split(separator: "\n")
    let mapping = try #require(lines.firstIndex { $0.hasPrefix(begin + "-") })
    let line = try #require(lines[mapping...].first { $0.hasPrefix("Rss:") })
    return try #require(Int(line.filter(\.isNumber)))
  }

  @Test func forgottenBytesLeaveMemoryAndCanBeReadAgain() throws {
    let descriptor = try open("/a/data")
    defer { apusp_file_close(descriptor) }
    var address: UnsafeRawPointer?
    #expect(apusp_file_map(descriptor, 100_000, &address, nil) == 0)
    let mapped = try #require(address)
    defer { apusp_file_unmap(mapped, 100_000) }
    #expect(Data(bytes: mapped, count: 100_000) == content)
    let page = apusp_page_size()
    let before = try residentKilobytes(mapped)
    // Of pages that the range only touches, the other bytes may be wanted.
    apusp_file_forget(mapped + 1, UInt64(4 * page))
    #expect(try residentKilobytes(mapped) == before - 3 * page / 1024)
    apusp_file_forget(mapped + page, UInt64(page - 1))
    #expect(try residentKilobytes(mapped) == before - 3 * page / 1024)
    #expect(Data(bytes: mapped, count: 100_000) == content)
  }

  @Test func whatCanNotBeMappedIsAStatus() throws {
    var address: UnsafeRawPointer?
    var error: Int32 = 0
    let descriptor = try open("/a/empty")
    defer { apusp_file_close(descriptor) }
    #expect(apusp_file_map(descriptor, 0, &address, &error) == Int32(APUSP_IO) && error == EINVAL)
    #expect(apusp_file_map(-1, 10, &address, &error) == Int32(APUSP_IO) && error == EBADF)
    #expect(apusp_file_map(descriptor, 1 << 62, &address, &error) == Int32(APUSP_OUT_OF_MEMORY) && error == ENOMEM)
    #expect(address == nil)
  }
}
