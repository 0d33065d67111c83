import ApusGraph
import Foundation

/// Graphs as one page of HTML that needs nothing else: pictures in SVG, a search, and what each box holds.
struct GraphPage {
  private let definition: ModelDefinition
  private let title: String
  /// (what, number) lines above the picture.
  private let summary: [(String, String)]

  init(_ definition: ModelDefinition, title: String, summary: [(String, String)]) {
    self.definition = definition
    self.title = title
    self.summary = summary
  }

  var text: String {
    var page = GraphPage.head(title)
    page += "<header><h1>\(escaped(title))</h1><dl>"
    for (key, value) in summary { page += "<div><dt>\(escaped(key))</dt><dd>\(escaped(value))</dd></div>" }
    page += "</dl><input id=\"search\" type=\"search\" placeholder=\"operator, name or shape\" aria-label=\"search\">"
    page += "<span id=\"found\"></span><span class=\"legend\">"
    for (name, fill) in PictureColor.families where name != "port" {
      page += "<i style=\"background:\(fill)\"></i>\(name) "
    }
    page += "</span></header>\n<main><div id=\"graphs\">\n"
    for index in definition.graphs.indices { page += section(GraphID(index)) }
    page += "</div><aside id=\"details\"><p>Choose a box.</p></aside></main>\n"
    return page + GraphPage.script + "</body></html>\n"
  }

  private func section(_ id: GraphID) -> String {
    let picture = GraphPicture(definition, graph: id)
    let layout = GraphLayout(boxCount: picture.boxes.count, edges: picture.edges.map { ($0.from, $0.to) })
    let (width, height) = (number(layout.width), number(layout.height))
    var svg = "<section id=\"graph\(id)\"><h2>\(escaped(picture.title))</h2>"
    svg +=
      "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"\(width)\" height=\"\(height)\" viewBox=\"0 0 \(width) \(height)\">\n"
    svg += "<defs><marker id=\"arrow\(id)\" viewBox=\"0 0 8 8\" refX=\"8\" refY=\"4\" markerWidth=\"7\" markerHeight=\"7\""
    svg += " orient=\"auto\"><path d=\"M0 0 8 4 0 8z\" fill=\"#7a8490\"/></marker></defs>\n"
    for (edge, bends) in zip(picture.edges, layout.bends) {
      let path = curve(layout.boxes[edge.from], bends, layout.boxes[edge.to])
      svg += "<path class=\"e\" d=\"\(path)\" marker-end=\"url(#arrow\(id))\"><title>\(escaped(edge.label))</title></path>\n"
    }
    for (box, place) in zip(picture.boxes, layout.boxes) { svg += self.box(box, place) }
    return svg + "</svg></section>\n"
  }

  /// From the lower edge of a box through the points of the layers between to the upper edge of another.
  private func curve(_ from: GraphLayout.Place, _ bends: [GraphLayout.Place], _ to: GraphLayout.Place) -> String {
    let half = GraphLayout.boxHeight / 2
    var last = GraphLayout.Place(x: from.x, y: from.y + half)
    var path = "M\(number(last.x)) \(number(last.y))"
    for point in bends + [GraphLayout.Place(x: to.x, y: to.y - half)] {
      let middle = (last.y + point.y) / 2
      path += "C\(number(last.x)) \(number(middle)) \(number(point.x)) \(number(middle)) \(number(point.x)) \(number(point.y))"
      last = point
    }
    return path
  }

  private func box(_ box: GraphPicture.Box, _ place: GraphLayout.Place) -> String {
    let (width, height) = (GraphLayout.boxWidth, GraphLayout.boxHeight)
    var details = ""
    for (key, text) in box.details { details += key + "\t" + text + "\n" }
    for graph in box.subgraphs { details += "subgraph\t#graph\(graph)\n" }
    var svg = "<g class=\"b \(box.kind.rawValue)\" tabindex=\"0\" data-d=\"\(escaped(details))\""
    svg += " transform=\"translate(\(number(place.x - width / 2)) \(number(place.y - height / 2)))\">"
    svg += "<rect width=\"\(number(width))\" height=\"\(number(height))\" rx=\"\(box.kind == .node ? 5 : 20)\""
    svg += " fill=\"\(PictureColor.fill(box.family))\"/>"
    svg += "<text x=\"\(number(width / 2))\" y=\"17\">\(escaped(short(box.title, 24)))</text>"
    svg += "<text class=\"s\" x=\"\(number(width / 2))\" y=\"32\">\(escaped(short(box.subtitle, 30)))</text></g>\n"
    return svg
  }

  private func short(_ text: String, _ limit: Int) -> String {
    text.count <= limit ? text : String(text.prefix(limit - 1)) + "…"
  }

  private func number(_ value: Double) -> String { String(format: "%.0f", value) }

  private func escaped(_ text: String) -> String { GraphPage.escaped(text) }

  /// A text inside of HTML.
  static func escaped(_ text: String) -> String {
    var result = ""
    for character in text.unicodeScalars {
      switch character {
      case "&": result += "&amp;"
      case "<": result += "&lt;"
      case ">": result += "&gt;"
      case "\"": result += "&quot;"
      case "\n", "\t": result += "&#\(character.value);"
      case _ where character.value < 0x20: result += " "
      default: result.unicodeScalars.append(character)
      }
    }
    return result
  }

  private static func head(_ title: String) -> String {
    """
    <!DOCTYPE html>
    <html lang="en"><head><meta charset="utf-8"><title>\(escaped(title))</title>
    <meta http-equiv="Content-Security-Policy"
      content="default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'">
    <style>
    :root { color-scheme: light; font: 13px/1.45 system-ui, sans-serif; color: #1d2329; }
    body { margin: 0; display: flex; flex-direction: column; height: 100vh; }
    header { padding: 8px 16px; border-bottom: 1px solid #d5dae0; display: flex; flex-wrap: wrap; gap: 6px 18px; }
    header { align-items: center; }
    h1 { font-size: 15px; margin: 0; } h2 { font-size: 13px; margin: 12px 24px 0; color: #5a6570; }
    dl { display: flex; flex-wrap: wrap; gap: 2px 16px; margin: 0; } dl div { display: flex; gap: 5px; }
    dt { color: #5a6570; } dd { margin: 0; }
    .legend { color: #5a6570; }
    .legend i { display: inline-block; width: 11px; height: 11px; border: 1px solid #a9b2bb; margin: 0 4px 0 8px; }
    main { flex: 1; display: flex; min-height: 0; }
    #graphs { flex: 1; overflow: auto; background: #fafbfc; }
    aside { width: 340px; overflow: auto; border-left: 1px solid #d5dae0; padding: 8px 14px; }
    aside table { border-collapse: collapse; } aside td { vertical-align: top; padding: 2px 8px 2px 0; overflow-wrap: anywhere; }
    aside td:first-child { color: #5a6570; }
    .b { cursor: pointer; outline: none; } .b rect { stroke: #a9b2bb; } .b text { text-anchor: middle; font-size: 12px; }
    .b .s { font-size: 10px; fill: #5a6570; } .b:focus rect, .b.on rect { stroke: #0b5cd6; stroke-width: 2.5; }
    .b.off { opacity: .25; } .e { fill: none; stroke: #a9b2bb; } .e:hover { stroke: #0b5cd6; stroke-width: 2.5; }
    </style></head><body>

    """
  }

  private static let script = """
    <script>
    const details = document.getElementById('details'), search = document.getElementById('search');
    const boxes = [...document.querySelectorAll('.b')], found = document.getElementById('found');
    let chosen = null;
    function show(box) {
      if (chosen) chosen.classList.remove('on');
      chosen = box; box.classList.add('on');
      const table = document.createElement('table');
      for (const line of box.dataset.d.split('\\n')) {
        if (!line) continue;
        const row = table.insertRow(), cut = line.indexOf('\\t'), text = line.slice(cut + 1);
        row.insertCell().textContent = line.slice(0, cut);
        const cell = row.insertCell();
        if (text.startsWith('#graph')) {
          const link = document.createElement('a'); link.href = text; link.textContent = text.slice(1); cell.append(link);
        } else cell.textContent = text;
      }
      details.replaceChildren(table);
    }
    for (const box of boxes) {
      box.addEventListener('click', () => show(box));
      box.addEventListener('focus', () => show(box));
    }
    search.addEventListener('input', () => {
      const wanted = search.value.toLowerCase();
      let count = 0, first = null;
      for (const box of boxes) {
        const hit = !wanted || box.dataset.d.toLowerCase().includes(wanted);
        box.classList.toggle('off', !hit);
        if (hit) { count++; first = first || box; }
      }
      found.textContent = wanted ? count + ' of ' + boxes.length : '';
      if (wanted && first) first.scrollIntoView({ block: 'center', inline: 'center' });
    });
    document.getElementById('graphs').scrollLeft = 0;
    </script>

    """
}
