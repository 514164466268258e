' What the guide tells a person to do in Writer; placeholder.png is in the home folder, template.docx goes there.
Sub Para(t, c, s, style)
  c.gotoEnd(False)
  c.ParaStyleName = style
  t.insertString(c, s, False)
  t.insertControlCharacter(c, com.sun.star.text.ControlCharacter.PARAGRAPH_BREAK, False)
End Sub

Sub Face(st, asian, latin, pt)
  st.CharFontNameAsian = asian
  st.CharFontName = latin
  st.CharHeight = pt
  st.CharHeightAsian = pt
End Sub

Sub Main
  Dim a(0) As New com.sun.star.beans.PropertyValue
  a(0).Name = "Hidden" : a(0).Value = True
  d = StarDesktop.loadComponentFromURL("private:factory/swriter", "_blank", 0, a())
  t = d.Text
  c = t.createTextCursor()
  ps = d.StyleFamilies.getByName("PageStyles").getByName("Standard")
  ps.Width = 21000 : ps.Height = 29700
  ps.TopMargin = 3700 : ps.LeftMargin = 2800 : ps.RightMargin = 2600 : ps.BottomMargin = 3500
  p = d.StyleFamilies.getByName("ParagraphStyles")
  Dim loc As New com.sun.star.lang.Locale
  loc.Language = "zh" : loc.Country = "CN"
  s = p.getByName("Standard")
  Face(s, "仿宋_GB2312", "Times New Roman", 16)
  s.CharLocaleAsian = loc
  h = p.getByName("Title")
  Face(h, "方正小标宋简体", "Times New Roman", 22)
  h.CharWeight = 100 : h.CharWeightAsian = 100
  h.ParaBottomMargin = 600
  Para(t, c, "志愿服务证明", "Title")
  Para(t, c, "编号：{{ ref }}", "Standard")
  c.gotoEnd(False)
  Para(t, c, "{{ name }}（{{ unit }}）：", "Standard")
  Para(t, c, "　　兹证明该同志于{{ year }}年参加本会组织的志愿服务活动，情况如下：", "Standard")
  c.gotoEnd(False)
  tb = d.createInstance("com.sun.star.text.TextTable")
  tb.initialize(4, 3)
  t.insertTextContent(c, tb, False)
  heads = Array("服务日期", "服务内容", "时长（小时）")
  cells = Array("{{ s.date | cn_date }}", "{{ s.content }}", "{{ s.hours }}")
  For i = 0 To 2
    tb.getCellByPosition(i, 0).String = heads(i)
    tb.getCellByPosition(i, 2).String = cells(i)
  Next
  tb.getCellByPosition(0, 1).String = "{%tr for s in services %}"
  tb.getCellByPosition(0, 3).String = "{%tr endfor %}"
  c.gotoEnd(False)
  Para(t, c, "　　合计服务{{ services | sum(attribute='hours') }}小时。", "Standard")
  Para(t, c, "{%p if remark %}", "Standard")
  Para(t, c, "　　{{ remark }}", "Standard")
  Para(t, c, "{%p endif %}", "Standard")
  Para(t, c, "", "Standard")
  Para(t, c, "", "Standard")
  c.gotoEnd(False)
  c.ParaAdjust = com.sun.star.style.ParagraphAdjust.RIGHT
  t.insertString(c, "{{ issuer }}", False)
  t.insertControlCharacter(c, com.sun.star.text.ControlCharacter.PARAGRAPH_BREAK, False)
  t.insertString(c, "{{ issued_on | cn_date }}", False)
  ' the placeholder picture, anchored to the first paragraph
  g = d.createInstance("com.sun.star.text.TextGraphicObject")
  gp = CreateUnoService("com.sun.star.graphic.GraphicProvider")
  Dim m(0) As New com.sun.star.beans.PropertyValue
  m(0).Name = "URL" : m(0).Value = "file://" & Environ("HOME") & "/placeholder.png"
  g.Graphic = gp.queryGraphic(m())
  g.AnchorType = com.sun.star.text.TextContentAnchorType.AT_PARAGRAPH
  c.gotoStart(False)
  t.insertTextContent(c, g, False)
  g.Width = 3000 : g.Height = 3000
  g.Description = "wenyin-qr"
  g.HoriOrient = com.sun.star.text.HoriOrientation.NONE
  g.HoriOrientRelation = com.sun.star.text.RelOrientation.PAGE_FRAME
  g.HoriOrientPosition = 15500
  g.VertOrient = com.sun.star.text.VertOrientation.NONE
  g.VertOrientRelation = com.sun.star.text.RelOrientation.PAGE_FRAME
  g.VertOrientPosition = 600
  g.Surround = com.sun.star.text.WrapTextMode.THROUGH
  Dim o(0) As New com.sun.star.beans.PropertyValue
  o(0).Name = "FilterName" : o(0).Value = "MS Word 2007 XML"
  d.storeToURL("file://" & Environ("HOME") & "/template.docx", o())
  d.close(True)
End Sub
