// Runs one script with lib/ on the 32-bit MicroPython VM (WebAssembly): node vm32.mjs SCRIPT.py [HEAP_BYTES]
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { loadMicroPython } from '@micropython/micropython-webassembly-pyscript';

const root = join(dirname(fileURLToPath(import.meta.url)), '..', '..');
const [script, heap] = process.argv.slice(2);
const mp = await loadMicroPython({ heapsize: Number(heap ?? 256 * 1024), stdout: (line) => console.log(line) });

function copy(from, to) {
  mp.FS.mkdir(to);
  for (const entry of readdirSync(from, { withFileTypes: true })) {
    if (entry.isDirectory()) copy(join(from, entry.name), `${to}/${entry.name}`);
    else if (entry.name.endsWith('.py')) mp.FS.writeFile(`${to}/${entry.name}`, readFileSync(join(from, entry.name)));
  }
}

copy(join(root, 'lib'), '/lib');
copy(dirname(resolve(script)), '/beside');
mp.runPython("import sys\nfor p in ('/lib', '/beside'):\n if p not in sys.path: sys.path.append(p)");
mp.runPython(readFileSync(script, 'utf8'));
