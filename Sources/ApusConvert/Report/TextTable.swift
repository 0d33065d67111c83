/// A table for people: columns as wide as their widest cell, two spaces between them.
struct TextTable {
  enum Alignment { case left, right }

  struct Column {
    var title: String
    var alignment: Alignment = .left
  }

  var columns: [Column]
  var rows: [[String]] = []
  var indentation = "  "

  init(_ columns: Column...) { self.columns = columns }

  /// One line a row, each with a line break; nothing where there are no rows.
  func text() -> String {
    guard !rows.isEmpty else { return "" }
    let widths = columns.indices.map { column in
      (rows.map { $0[column].count } + [columns[column].title.count]).max() ?? 0
    }
    let header = columns.contains { !$0.title.isEmpty } ? [columns.map(\.title)] : []
    var text = ""
    for row in header + rows {
      var line = indentation
      for (column, cell) in row.enumerated() {
        let padding = String(repeating: " ", count: widths[column] - cell.count)
        line += columns[column].alignment == .left ? cell + padding : padding + cell
        line += "  "
      }
      while line.last == " " { line.removeLast() }
      text += line + "\n"
    }
    return text
  }
}
