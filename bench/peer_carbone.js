// A live Carbone: reads "path\n", converts, answers "milliseconds bytes\n".
// usage: node peer_carbone.js FACTORIES
const fs = require('fs');
const carbone = require('carbone');

const pdf = {
  formatName: 'pdf',
  formatOptions: {
    SelectPdfVersion: 2, UseTaggedPDF: true, ExportBookmarks: true,
    ReduceImageResolution: false, UseLosslessCompression: true,
  },
};
carbone.set({ factories: Number(process.argv[2]), startFactory: true });

let rest = '';
process.stdin.on('data', (data) => {
  const lines = (rest + data).split('\n');
  rest = lines.pop();
  for (const path of lines) {
    const begun = process.hrtime.bigint();
    carbone.convert(fs.readFileSync(path), { convertTo: pdf, extension: 'docx' }, (error, result) => {
      if (error) {
        process.stdout.write(`error ${error}\n`.replace(/\s+/g, ' ') + '\n');
        return;
      }
      const took = Number(process.hrtime.bigint() - begun) / 1e6;
      process.stdout.write(`${took} ${result.length}\n`);
    });
  }
});
process.stdin.on('end', () => process.exit(0));
