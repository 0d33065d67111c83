/// Unicode code points of UTF-8 text, and their simple case mappings, without the standard library's large tables.
enum CodePoints {
  /// The code points of UTF-8 text; a byte that begins no valid sequence stands for U+FFFD.
  static func decoded(_ bytes: [UInt8]) -> [UInt32] {
    var result: [UInt32] = []
    result.reserveCapacity(bytes.count)
    var index = 0
    while index < bytes.count {
      let first = bytes[index]
      let length = first < 0x80 ? 1 : first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2
      var point = length == 1 ? UInt32(first) : UInt32(first) & (0x7f >> UInt32(length))
      var isValid = (first < 0x80 || first >= 0xc2) && first < 0xf5 && index + length <= bytes.count
      var next = index + 1
      while isValid && next < index + length {
        isValid = bytes[next] & 0xc0 == 0x80
        point = point << 6 | UInt32(bytes[next] & 0x3f)
        next += 1
      }
      result.append(isValid ? point : 0xfffd)
      index += isValid ? length : 1
    }
    return result
  }

  static func encoded(_ points: [UInt32]) -> [UInt8] {
    var result: [UInt8] = []
    result.reserveCapacity(points.count)
    for point in points {
      if point < 0x80 {
        result.append(UInt8(point))
      } else if point < 0x800 {
        result += [0xc0 | UInt8(point >> 6), 0x80 | UInt8(point & 0x3f)]
      } else if point < 0x10000 {
        result += [0xe0 | UInt8(point >> 12), 0x80 | UInt8(point >> 6 & 0x3f), 0x80 | UInt8(point & 0x3f)]
      } else {
        result += [
          0xf0 | UInt8(point >> 18 & 7), 0x80 | UInt8(point >> 12 & 0x3f), 0x80 | UInt8(point >> 6 & 0x3f),
          0x80 | UInt8(point & 0x3f),
        ]
      }
    }
    return result
  }

  /// Runs of capital letters: first, last, the distance of the small letter, the step from one capital to the next.
  /// Latin, Greek, Cyrillic and Armenian (Unicode 15, UnicodeData.txt, simple mappings).
  private static let capitals: [(first: UInt32, last: UInt32, distance: Int32, step: UInt32)] = [
    (0x41, 0x5a, 32, 1), (0xc0, 0xd6, 32, 1), (0xd8, 0xde, 32, 1), (0x100, 0x12e, 1, 2), (0x132, 0x136, 1, 2),
    (0x139, 0x147, 1, 2), (0x14a, 0x176, 1, 2), (0x178, 0x178, -121, 1), (0x179, 0x17d, 1, 2), (0x386, 0x386, 38, 1),
    (0x388, 0x38a, 37, 1), (0x38c, 0x38c, 64, 1), (0x38e, 0x38f, 63, 1), (0x391, 0x3a1, 32, 1), (0x3a3, 0x3ab, 32, 1),
    (0x400, 0x40f, 80, 1), (0x410, 0x42f, 32, 1), (0x460, 0x480, 1, 2), (0x48a, 0x4be, 1, 2), (0x4c1, 0x4cd, 1, 2),
    (0x4d0, 0x52e, 1, 2), (0x531, 0x556, 48, 1), (0x1e00, 0x1e94, 1, 2), (0x1ea0, 0x1efe, 1, 2),
  ]

  private static func moved(_ point: UInt32, _ distance: Int32) -> UInt32 {
    UInt32(truncatingIfNeeded: Int64(point) + Int64(distance))
  }

  static func lowercased(_ point: UInt32) -> UInt32 {
    for run in capitals where point >= run.first && point <= run.last && (point - run.first) % run.step == 0 {
      return moved(point, run.distance)
    }
    return point
  }

  static func uppercased(_ point: UInt32) -> UInt32 {
    if point == 0x3c2 { return 0x3a3 }  // the sigma at a word's end
    for run in capitals {
      let capital = moved(point, -run.distance)
      if capital >= run.first && capital <= run.last && (capital - run.first) % run.step == 0 { return capital }
    }
    return point
  }
}
