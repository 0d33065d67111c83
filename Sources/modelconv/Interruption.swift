import Dispatch
import Foundation

/// What happens where a command that writes a file is interrupted: what it has begun to write goes, then the process ends.
final class Interruption {
  private var sources: [any DispatchSourceSignal] = []

  /// - Parameter destination: the file that is written; beside it stand files of this process whose names begin with its own and
  ///   the process's number.
  init(writing destination: String) {
    let path = URL(fileURLWithPath: destination)
    let folder = path.deletingLastPathComponent().path
    let prefix = path.lastPathComponent + ".\(getpid())."
    for number in [SIGINT, SIGTERM] {
      signal(number, SIG_IGN)
      let source = DispatchSource.makeSignalSource(signal: number, queue: .global())
      source.setEventHandler {
        for name in (try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? [] where name.hasPrefix(prefix) {
          unlink(folder + "/" + name)
        }
        Console.write("\nmodelconv: interrupted\n")
        // As shells tell processes that a signal ended.
        _exit(128 + number)
      }
      source.activate()
      sources.append(source)
    }
  }

  deinit { for source in sources { source.cancel() } }
}
