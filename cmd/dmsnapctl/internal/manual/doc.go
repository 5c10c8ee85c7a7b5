// Package manual writes pages for man(1) from the parts of a help text.
//
// It knows mdoc, the language of manual pages, and the form of our help texts:
// paragraphs, headings in capitals, and verbatim lines. It must not know any
// command.
package manual

// From the top down: page (a page), text (a help text as mdoc), escape (what mdoc
// would misread).
