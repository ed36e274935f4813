# Run a node from a ROMFS image on the unix port, as a board does from its flash: the image takes its own size of heap.
#
#     micropython -X heapsize=300K tools/romfs_main.py IMAGE CONFIG.json [CONSOLE]
import os
import sys
import vfs

ROM = "/rom"  # where boards mount theirs


def mount(path):
    """Mount this image and import from it, and from nothing else but the VM: its size in bytes. Raises OSError."""
    image = bytearray(os.stat(path)[6])  # in one piece, where reading it whole would make one that grows
    with open(path, "rb") as f:
        f.readinto(image)
    vfs.mount(vfs.VfsRom(image), ROM)
    sys.path[:] = [ROM, ".frozen"]
    return len(image)


def run(image, config, console=None):
    """Run the node of this configuration: its exit status, 2 and one line on stderr for what no node can be made of."""
    try:
        mount(image)
        import run

        return run.main(config, console)
    except (OSError, ImportError) as e:  # no image, or one of another role
        print("groupcoap: %s: %s" % (image, e), file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(run(*sys.argv[1:4]))
