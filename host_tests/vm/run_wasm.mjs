// Runs one piece of Python on the 32-bit VM: node run_wasm.mjs CODE [FOLDER...]
// The VM has a file system of its own: the folders are copied into it under the same names, so that a traceback names
// files that exist. `net` folders stay out: there are no sockets here.
import fs from "node:fs";
import path from "node:path";
import { loadMicroPython } from "@micropython/micropython-webassembly-pyscript";

const [code, ...folders] = process.argv.slice(2);
const vm = await loadMicroPython({
    heapsize: 1024 * 1024,
    stdout: (line) => console.log(line),
});

function copy(folder) {
    vm.FS.mkdirTree(folder);
    for (const entry of fs.readdirSync(folder, { withFileTypes: true })) {
        const name = path.join(folder, entry.name);
        if (entry.isDirectory()) {
            if (!["net", "__pycache__"].includes(entry.name)) copy(name);
        } else if (/\.(py|json)$/.test(entry.name)) {
            vm.FS.writeFile(name, fs.readFileSync(name));
        }
    }
}

folders.forEach(copy);
vm.runPython(code);
