import Glibc

struct FileError: Error, CustomStringConvertible {
  let description: String
}

/// An array of bytes from an IDX file, the format of MNIST and Fashion-MNIST.
struct IDX {
  let shape: [Int]
  let bytes: [UInt8]

  init(path: String, rank: Int) throws(FileError) {
    guard let file = fopen(path, "rb") else {
      throw FileError(description: "can not open \(path): \(String(cString: strerror(errno)))")
    }
    defer { fclose(file) }
    var contents: [UInt8] = []
    while true {
      let part = [UInt8](unsafeUninitializedCapacity: 1 << 20) { buffer, count in
        count = fread(buffer.baseAddress, 1, buffer.count, file)
      }
      if part.isEmpty { break }
      contents += part
    }
    let header = 4 + 4 * rank
    guard contents.count >= header, contents.starts(with: [0, 0, 8, UInt8(rank)]) else {
      throw FileError(description: "\(path) is no unpacked IDX file of \(rank) axes of bytes")
    }
    var shape: [Int] = []
    var (count, isTooLarge) = (1, false)
    for axis in 0..<rank {
      let extent = contents[4 + 4 * axis..<8 + 4 * axis].reduce(0) { $0 << 8 | Int($1) }
      shape.append(extent)
      let (product, overflow) = count.multipliedReportingOverflow(by: extent)
      count = product
      isTooLarge = isTooLarge || overflow
    }
    guard !isTooLarge, contents.count - header == count else {
      throw FileError(description: "the length of \(path) is not that of its extents \(shape)")
    }
    self.shape = shape
    bytes = Array(contents[header...])
  }
}

func fail(_ message: String) -> Never {
  let line = Array((message + "\n").utf8)
  _ = write(STDERR_FILENO, line, line.count)
  exit(1)
}
